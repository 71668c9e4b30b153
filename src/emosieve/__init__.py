"""emosieve: files the results of the Emotion2Vec+ Large WebUI, and says why.

The flow goes one way: ``watch`` notices a task and waits until it is whole,
``judge`` gives the verdict, ``record`` writes it down, ``filing`` moves the
task; ``intake`` is the middle where these meet, ``service`` runs them for ever
and ``commands`` are the doors.
"""

__version__ = "0.1.0"
