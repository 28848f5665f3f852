"""The HTTP faces: the shop, the customer, the banks."""
