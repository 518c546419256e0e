"""The name of a predictor for people: "3vR0 (plain LSTM, window 8)"."""

from mlmd.models.spec import PredictorSpec


def model_name(spec: PredictorSpec) -> str:
    """The variant, followed by every option that is not the default one."""
    extras = [f"frame={spec.frame}"] if spec.components == "cartesian" and spec.frame != "lab" else []
    held, length = spec.shortcut == "held", f"{spec.history} step{'s' if spec.history > 1 else ''}"
    if spec.network:
        extras += ["held shortcut"] if held else [] if spec.shortcut else ["plain LSTM"]
        extras += [f"history {length}"] if spec.history > 1 else []
        extras += [f"window {spec.memory_length}"] if spec.memory_kind == "window" else []
    else:
        extras += ["held kick" if held else f"linear, {length}"]
    return spec.variant + (f" ({', '.join(extras)})" if extras else "")
