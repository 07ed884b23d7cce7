"""Tables and pages: how a run is shown."""
