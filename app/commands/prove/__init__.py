"""The drill, contract fuzzing, and the service as a child process."""
