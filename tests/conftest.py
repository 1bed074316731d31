"""What holds for every test: no example of a property is timed, since machines that run tests are busy ones."""

from hypothesis import settings

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
