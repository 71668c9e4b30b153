"""The doors: one thin module per command or family, put together by ``cli``."""
