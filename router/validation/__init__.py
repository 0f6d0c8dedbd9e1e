"""Every fault of a request at once: form, then sense."""
