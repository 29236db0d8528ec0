"""Four hosts, a queue, two hubs and a store on one machine, some of which are killed meanwhile."""
