"""The house at work: the flow, the daemon that runs it for ever, the sweep that runs it once, their log."""
