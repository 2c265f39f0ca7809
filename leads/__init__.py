"""Scoring with its ledger, stages and identity: what turns a visitor into a lead."""
