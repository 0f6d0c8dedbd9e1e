"""What a marketplace is sent of a channel's offers."""
