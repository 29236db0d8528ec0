"""One container over its life: who reads its log, its events, its exit, its removal."""
