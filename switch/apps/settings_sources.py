"""Where settings come from: defaults, the demo's, one TOML file, `SWITCH__SECTION__KEY`, options.

A later source wins. A name that no setting has stops the start, with the nearest known one.
"""

import difflib
import re
import tomllib
import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from switch.apps.log_settings import LogSettings
from switch.apps.settings import DEMO_OVERRIDES, Settings
from switch.apps.settings_section import ENVIRONMENT_PREFIX, Section

_DEFAULT_ORIGIN: Final = "default"
# the pattern of a setting that is one of some words
_CHOICES: Final = re.compile(r"\^\(([^()]+)\)\$")
_USER_INFO: Final = re.compile(r"//[^/@]*@")  # name and password inside a URL


class SettingsError(Exception):
    """The settings cannot be used; the message names the setting and says what to do."""


class SettingField(NamedTuple):
    """One setting as the struct tree declares it."""

    name: str  # section.key
    type: Any
    default: object
    description: str
    is_secret: bool
    pattern: str = ""  # of a text that is not free


class EffectiveSettings(NamedTuple):
    """The settings in force, and for each name where its value comes from."""

    settings: Settings
    origins: dict[str, str]


def list_fields() -> Iterator[SettingField]:
    """Walk every setting in the order of the struct tree."""
    for section in msgspec.structs.fields(Settings):
        yield from _fields_of(section.name, section.type)


def _fields_of(section: str, struct: type[Section]) -> Iterator[SettingField]:
    hints = typing.get_type_hints(struct, include_extras=True)
    for field in msgspec.structs.fields(struct):
        plain, meta = _unwrap(hints[field.name])
        default = (
            field.default_factory()
            if field.default_factory is not msgspec.NODEFAULT
            else field.default
        )
        yield SettingField(
            name=f"{section}.{field.name}",
            type=plain,
            default=default,
            description=(meta.description if meta else "") or "",
            is_secret=bool(meta and (meta.extra or {}).get("secret")),
            pattern=(meta.pattern if meta else "") or "",
        )


def _unwrap(hint: Any) -> tuple[Any, msgspec.Meta | None]:  # noqa: ANN401 - a type as written
    if typing.get_origin(hint) is not typing.Annotated:
        return hint, None
    plain, *annotations = typing.get_args(hint)
    metas = [each for each in annotations if isinstance(each, msgspec.Meta)]
    return plain, metas[0] if metas else None


def load_settings(
    *,
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    options: Mapping[str, object] | None = None,
    is_demo: bool = False,
) -> EffectiveSettings:
    """Put the sources together and check the result.

    Args:
        file: TOML with one table a section; None for none.
        environment: usually `os.environ`; only `SWITCH__...` is looked at.
        options: `section.key` -> value, from the command line.
        is_demo: take the demo's short deadlines as defaults.

    Raises:
        SettingsError: unknown name, wrong type, out of bounds, or an order that cannot work.
    """
    known = {field.name: field for field in list_fields()}
    values: dict[str, object] = {}
    origins = dict.fromkeys(known, _DEFAULT_ORIGIN)
    for origin, found in (
        ("demo", DEMO_OVERRIDES if is_demo else {}),
        *_file_values(file),
        *_environment_values(environment or {}, known),
        ("command line", options or {}),
    ):
        for name, value in found.items():
            if name not in known:
                raise SettingsError(_explain_unknown(name, origin, known))
            values[name] = _convert(known[name], value, origin)
            origins[name] = origin
    settings = _build(values, origins, known)
    check_order(settings)
    return EffectiveSettings(settings, origins)


def _file_values(file: Path | None) -> Iterator[tuple[str, dict[str, object]]]:
    if file is None:
        return
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"cannot read the settings file {file}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} is not TOML: {error}") from error
    found: dict[str, object] = {}
    for section, table in document.items():
        if isinstance(table, dict):
            found |= {f"{section}.{key}": value for key, value in table.items()}
        else:
            found[section] = table
    yield str(file), found


def _environment_values(
    environment: Mapping[str, str], known: Mapping[str, SettingField]
) -> Iterator[tuple[str, dict[str, object]]]:
    for variable in sorted(environment):
        if variable.startswith(ENVIRONMENT_PREFIX):
            parts = variable.removeprefix(ENVIRONMENT_PREFIX).lower().split("__")
            name = ".".join(parts)
            text = environment[variable]
            is_table = name in known and typing.get_origin(known[name].type) is dict
            yield variable, {name: _parse_table(text, variable) if is_table else text}


def _parse_table(text: str, variable: str) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in text.split(",") if pair.strip()]
    if any(not separator for _, separator, _ in pairs):
        raise SettingsError(f"{variable}: write it as name=value,name=value")
    return {name.strip(): value.strip() for name, _, value in pairs}


def _explain_unknown(name: str, origin: str, known: Mapping[str, object]) -> str:
    key = name.rpartition(".")[2]
    nearest = difflib.get_close_matches(name, known, n=1) or [
        each for each in known if each.endswith(f".{key}")
    ]
    hint = f"did you mean {nearest[0]}? " if nearest else ""
    where = "" if origin == name else f" in {origin}"
    return f"unknown setting {name}{where}: {hint}`switch config show` lists all of them"


def _convert(field: SettingField, value: object, origin: str) -> object:
    strict = not isinstance(value, str) or field.type is str
    try:
        return msgspec.convert(value, field.type, strict=strict)
    except msgspec.ValidationError as error:
        shown = "its value" if field.is_secret else repr(value)
        raise SettingsError(f"{field.name} in {origin}: {shown} does not fit: {error}") from error


def _build(
    values: Mapping[str, object], origins: Mapping[str, str], known: Mapping[str, SettingField]
) -> Settings:
    tree: dict[str, dict[str, object]] = {}
    for name, value in values.items():
        section, _, key = name.partition(".")
        tree.setdefault(section, {})[key] = value
    sections: dict[str, Any] = {}
    for declared in msgspec.structs.fields(Settings):
        raw = tree.get(declared.name, {})
        try:
            sections[declared.name] = msgspec.convert(raw, declared.type)
        except msgspec.ValidationError as error:
            keys = [key for key in raw if f"`$.{key}" in str(error)]
            where = f"{declared.name}.{keys[0]}" if keys else declared.name
            origin = origins.get(where, "the settings")
            reason = str(error).partition(" - at ")[0]
            if where in known and known[where].pattern:
                reason = _explain_misfit(known[where], raw[keys[0]])
            raise SettingsError(f"{where} in {origin}: {reason}") from error
    return Settings(**sections)


def _explain_misfit(field: SettingField, value: object) -> str:
    """Say which texts a setting takes: the words, or what its description says of them."""
    shown = "its value" if field.is_secret else repr(value)
    choices = _CHOICES.fullmatch(field.pattern)
    if choices is None:
        return f"{shown} does not fit. {field.description}"
    *words, last = choices[1].split("|")
    return f"{shown} is none of the values that it takes: {', '.join(words)} or {last}"


def check_order(settings: Settings) -> None:
    """Refuse settings that are each possible and together cannot work.

    Raises:
        SettingsError: names both settings.
    """
    times, handler, link = settings.times, settings.handler, settings.issuer_link
    pairs = (
        (
            times.issuer_timeout_ms + times.clock_skew_max_ms < times.terminal_deadline_ms,
            (
                "times.issuer_timeout_ms + times.clock_skew_max_ms must be below"
                " times.terminal_deadline_ms: else no request is ever young enough to be sent"
            ),
        ),
        (
            times.send_window_ms < times.issuer_timeout_ms,
            "times.send_window_ms must be below times.issuer_timeout_ms",
        ),
        (
            times.issuer_delay_max_ms >= times.issuer_timeout_ms,
            "times.issuer_delay_max_ms must not be below times.issuer_timeout_ms",
        ),
        (
            times.append_deadline_ms < times.terminal_deadline_ms,
            "times.append_deadline_ms must be below times.terminal_deadline_ms",
        ),
        (
            settings.minute_key_lifetime_ms >= times.terminal_deadline_ms + times.clock_skew_max_ms,
            (
                "security.minute_key_lifetime_ms must be 0 or at least times.terminal_deadline_ms +"
                " times.clock_skew_max_ms: else a request that may still be sent cannot be opened"
            ),
        ),
        (
            settings.registry.poll_wait_ms < settings.registry.staleness_max_ms,
            "registry.poll_wait_ms must be below registry.staleness_max_ms",
        ),
        (
            handler.reversal_first_repeat_ms <= handler.reversal_repeat_max_ms,
            "handler.reversal_first_repeat_ms must not be above handler.reversal_repeat_max_ms",
        ),
        (
            link.reconnect_delay_min_ms <= link.reconnect_delay_max_ms,
            (
                "issuer_link.reconnect_delay_min_ms must not be above"
                " issuer_link.reconnect_delay_max_ms"
            ),
        ),
    )
    for holds, complaint in (*pairs, *_check_log(settings.log)):
        if not holds:
            raise SettingsError(complaint)


def _check_log(log: LogSettings) -> Iterator[tuple[bool, str]]:
    """Refuse proofs that nobody would ask for: whoever set them believes to be protected."""
    for protects, word, named in (
        (log.security_protocol.endswith("ssl"), "ssl", ("ca_file", "certificate_file", "key_file")),
        (log.security_protocol.startswith("sasl"), "sasl", ("sasl_username", "sasl_password")),
    ):
        for name in named:
            yield (
                protects or not getattr(log, name),
                (
                    f"log.{name} is set, but with log.security_protocol {log.security_protocol}"
                    f" nothing is done with it: choose a protocol with {word} in it, or unset it"
                ),
            )


def read_value(settings: Settings, name: str) -> Any:  # noqa: ANN401 - as declared by the field
    """Look a setting up by its `section.key`."""
    section, _, key = name.partition(".")
    return getattr(getattr(settings, section), key)


def shown_value(field: SettingField, value: object) -> str:
    """Write a value as TOML would; a secret that is set shows as `(hidden)`."""
    if field.is_secret and value:
        return "(hidden)"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{_USER_INFO.sub("//(hidden)@", value)}"'
    if isinstance(value, dict):
        return "{" + ", ".join(f'{key} = "{each}"' for key, each in value.items()) + "}"
    return str(value)


def type_name(field: SettingField) -> str:
    """Name a setting's type for people."""
    if isinstance(field.type, types.GenericAlias):
        return "table"
    return {int: "integer", str: "text", bool: "true or false"}[field.type]
