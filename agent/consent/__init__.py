"""Consent: which calls may run, who is asked, what the question says, and the record of every decision."""

from agent.consent.request import Allow, Approve, Decision, Deny, Request

__all__ = ["Allow", "Approve", "Decision", "Deny", "Request"]
