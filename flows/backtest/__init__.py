"""Past days planned anew by each strategy, through the stages of the daily run, and accounted for.

strategies  what each knows, and when it decides     trial   the copies of the warehouse that are planned in
foresight   a reader that knows what is to come      course  a strategy's days, one after the other
rows        a day's account → out_backtest           summary what the rows say together
wear        the twin's word on a realised day        run     all of it: what `v2g backtest` does
The stages work in copies that are thrown away; of the warehouse itself out_backtest is written, a day of a
strategy in one transaction, and nothing else.
"""
