"""What the reconciler costs and how fast it is, beside a poller as many have one: `make bench`."""
