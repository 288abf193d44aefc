"""The invoice: its states, its rules, its claims. Pure: time, ids and calendar come in with the moment.

Read `state`, then `decide` for what may be done and `evolve` for what happened; `claims` is all that crosses invoices.
"""
