"""Settings, routes, middleware, server configuration. Knows `posts`, which never knows this."""
