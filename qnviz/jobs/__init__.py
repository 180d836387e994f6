"""Work that takes long: jobs beside the request, shared, in a fair queue, by threads or workers."""
