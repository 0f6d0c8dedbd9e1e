"""Files of stock and locations, read strictly: wholly right, or refused."""
