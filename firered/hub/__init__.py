"""Published models: the catalogue, finding them on disk, and fetching them."""
