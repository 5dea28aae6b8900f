"""Signals: where the market differs from a model by more than it costs to trade, and how sure that is.

What belongs here: one module each for ``mispricing``, the generators of ``trade_signals``, how signals are
weighed against each other, and ``signal_scorecard``. What does not: the models (``models``), what people do
with a signal.
"""
