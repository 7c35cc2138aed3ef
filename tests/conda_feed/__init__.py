"""Conda feeds through the whole server: every row of the fact sheet's checklist (section 17), and of the contract."""
