"""Base class of all settings: frozen, without unknown keys, with errors in one line.

A field declares what `--help` and the documentation show of its key: ``description``, bounds (``ge``, ``gt``, ``le``)
and, in ``json_schema_extra``, ``unit`` and ``cure``. The cure is appended to every error of the key.
"""

from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Any, Literal, Self, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from mlmd.cli.settings.component import Component
from mlmd.errors import ConfigError, nearest, short
from mlmd.plain_types import MAX_WHOLE


class Settings(BaseModel):
    """Base of the settings of a command and of their groups."""

    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", arbitrary_types_allowed=True, allow_inf_nan=False
    )

    @field_validator("*", mode="before")
    @classmethod
    def _check_size(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse whole numbers that no numerical library takes."""
        if isinstance(value, int) and abs(value) > MAX_WHOLE:
            raise ConfigError(f"{info.field_name} = {short(value)} is too large a number")
        return value

    @classmethod
    def from_config(cls, values: Mapping[str, Any]) -> Self:
        """Settings from the composed and resolved configuration.

        Args:
            values: plain values, by key.

        Raises:
            ConfigError: the first key that is unknown, missing, of another type or out of range.
        """
        try:
            return cls.model_validate(cls._with_components(values))
        except ValidationError as error:
            raise ConfigError(_worded(cls, error.errors(include_url=False)[0])) from error

    @classmethod
    def _with_components(cls, values: Mapping[str, Any], path: str = "") -> dict[str, Any]:
        """The values with a `Component` in place of every node that a field declares as one."""
        made: dict[str, Any] = dict(values)
        for name, field in cls.model_fields.items():
            value, kinds = made.get(name), kinds_of(field)
            if name not in made or (value is None and NoneType in kinds):
                continue
            if Component in kinds:
                made[name] = Component.of(value, f"{path}{name}")
            elif is_mapping_of_components(field) and isinstance(value, Mapping):
                made[name] = {key: Component.of(node, f"{path}{name}.{key}") for key, node in value.items()}
            elif (group := group_of(field)) is not None and isinstance(value, Mapping):
                made[name] = group._with_components(value, f"{path}{name}.")
        return made


def kinds_of(field: FieldInfo) -> tuple[Any, ...]:
    """The types that a field takes: those of a union one by one."""
    annotation = field.annotation
    return get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)


def group_of(field: FieldInfo) -> type[Settings] | None:
    """The settings that a field holds, if it holds a group of keys."""
    return next((kind for kind in kinds_of(field) if isinstance(kind, type) and issubclass(kind, Settings)), None)


def is_mapping_of_components(field: FieldInfo) -> bool:
    """Whether a field holds components by name."""
    return any(get_origin(kind) is Mapping and get_args(kind)[1] is Component for kind in kinds_of(field))


def range_of(field: FieldInfo) -> str:
    """The bounds of a field in words, empty where it has none.

    >>> from pydantic import Field
    >>> range_of(FieldInfo.from_annotated_attribute(int, Field(ge=1)))
    'at least 1'
    """
    names = ("ge", "gt", "le", "lt")
    bounds = {name: getattr(item, name) for item in field.metadata for name in names if hasattr(item, name)}
    if "ge" in bounds and "le" in bounds:
        return f"from {bounds['ge']} to {bounds['le']}"
    words = {"ge": "at least {}", "gt": "above {}", "le": "at most {}", "lt": "below {}"}
    return " and ".join(words[name].format(bound) for name, bound in bounds.items())


def choices_of(field: FieldInfo) -> tuple[str, ...]:
    """The words that a field takes, if it takes certain ones only."""
    return tuple(str(word) for kind in kinds_of(field) if get_origin(kind) is Literal for word in get_args(kind))


def _worded(settings: type[Settings], error: ErrorDetails) -> str:
    """One line on the first error of a validation."""
    keys, field = _place(settings, error["loc"])
    where = ".".join(keys)
    if error["type"] == "missing":
        return f"{where} was removed from the configuration, but is needed"
    if field is None:
        return f"{where}: there is no such key: {nearest(keys[-1], _group_at(settings, keys[:-1]).model_fields)}"
    cure = _extra(field).get("cure")
    given, after = short(error["input"], quoted=True), "" if cure is None else f"; {cure}"
    return f"{where} = {given} {_complaint(error, field)}{after}"


def _complaint(error: ErrorDetails, field: FieldInfo) -> str:
    """What is wrong with a value of a field."""
    if choices := choices_of(field):
        words = nearest(str(error["input"]), choices)
        return f"is unknown{'; ' if words.startswith('known') else ': '}{words}"
    bounds, or_null = range_of(field), ", or null" if NoneType in kinds_of(field) else ""
    kind = next((word for type_, word in _KINDS.items() if type_ in kinds_of(field)), "a group of keys")
    out_of_range = error["type"].startswith(("greater_than", "less_than"))
    if out_of_range and not bounds.startswith("from"):
        return f"must be {bounds}{or_null}"
    return f"must be {kind}{' of' * bounds.startswith('at ')}{f' {bounds}' if bounds else ''}{or_null}"


_KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


def _extra(field: FieldInfo) -> Mapping[str, Any]:
    return field.json_schema_extra if isinstance(field.json_schema_extra, Mapping) else {}


def _place(settings: type[Settings], location: tuple[int | str, ...]) -> tuple[list[str], FieldInfo | None]:
    """The keys down to the field that an error concerns; no field where a key is unknown."""
    keys: list[str] = []
    group: type[Settings] | None = settings
    field = None
    for part in location:
        if group is None:
            break
        keys.append(str(part))
        field = group.model_fields.get(str(part))
        group = None if field is None else group_of(field)
    return keys, field


def _group_at(settings: type[Settings], keys: list[str]) -> type[Settings]:
    for key in keys:
        settings = group_of(settings.model_fields[key]) or settings
    return settings
