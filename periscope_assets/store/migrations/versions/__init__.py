"""Revisions, oldest first. One that was released is never edited; a change is a new revision."""
