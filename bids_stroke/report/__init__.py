"""Reports: figures of each unit, one page a participant, one page for the group."""
