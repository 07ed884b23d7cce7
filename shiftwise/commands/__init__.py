"""The commands of ``shiftwise``, a function each; what takes seconds to load is imported when a command needs it."""
