"""Where records travel: topics, stages and sharding as data. Nothing runs here but provisioning."""
