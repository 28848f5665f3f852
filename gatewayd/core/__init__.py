"""The pure centre: money, words, the payment and what it needs next. It imports nothing of ours."""
