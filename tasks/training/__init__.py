"""The training loop, its progress, and the device that it runs on."""
