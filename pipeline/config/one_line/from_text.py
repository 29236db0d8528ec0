"""Gives a text of a query the TOML type that its option takes: `window=100` is a number."""

from __future__ import annotations

import re
from typing import Any, Literal, get_args, get_origin

from pipeline.config.locate import Path
from pipeline.config.wording import ARRAYS, accepts, arms, fields_of, forms, is_struct

_WHOLE = re.compile(r"[+-]?\d{1,18}")
_NUMBER = re.compile(r"[+-]?\d{1,18}(\.\d{1,18})?")


def option_type(type_: Any, path: Path) -> Any:
    """The type of the option at `path` in a value of `type_`; None if there is no such option."""
    for key in path:
        found = [inner for arm in arms(type_) if (inner := _inner(arm, key)) is not None]
        if not found:
            return None
        type_ = found[0]
    return type_


def _inner(type_: Any, key: str | int) -> Any:
    if is_struct(type_):
        fields = {field.encode_name: field.type for field in fields_of(type_)}
        return fields.get(str(key))
    if get_origin(type_) is dict:
        return get_args(type_)[1]
    return None


def from_text(text: str, type_: Any) -> Any:
    """The text as a value that `type_` may take, if it can be one; otherwise the text.

    Elements of an array have commas between them.
    """
    kinds = forms(type_)
    if text in ("true", "false") and bool in kinds:
        return text == "true"
    if _WHOLE.fullmatch(text) and int in kinds:
        return int(text)
    if _NUMBER.fullmatch(text) and float in kinds:
        return float(text)
    choices = [choice for one in kinds if get_origin(one) is Literal for choice in get_args(one)]
    arrays = [one for one in kinds if (get_origin(one) or one) in ARRAYS]
    is_text = any(accepts(one, text) for one in kinds)
    if arrays and text not in choices and ("," in text or not is_text):
        (inner, *_) = get_args(arrays[0]) or (str,)
        return [from_text(one, inner) for one in text.split(",")] if text else []
    return text
