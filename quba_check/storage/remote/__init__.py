"""Files at URLs: listings, copies on this machine, leases, and the shared store."""
