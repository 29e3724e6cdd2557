"""HTTP: requests, responses, errors, middleware and the OpenAPI document."""
