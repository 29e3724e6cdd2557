"""Categories: the levels or divisions that athletes compete in."""
