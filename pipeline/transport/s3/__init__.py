"""S3 and stores that speak as it does: objects into one bucket."""
