"""The three methods as stage plans: mslt, and the two it is compared with.

"mslt": paper (arXiv 2011.13635) section 3.2. "stacking": Gong et al. 2019, everything trains and
the whole stack is doubled twice. "original": everything from scratch in one stage.
"""

import dataclasses
import itertools
import math
from collections.abc import Sequence
from typing import Literal

from mslt_tf.bounds import Bounds, check_number
from mslt_tf.errors import UserError
from mslt_tf.stage_plan import Stage, StagePlan, kept

Method = Literal["mslt", "stacking", "original"]
NewLayers = Literal["copied", "random"]

# As the paper runs it: a quarter of the depth, then twice doubled.
STACKING_STEP_SHARES = (0.125, 0.175, 0.7)

JOINT_FRACTION = Bounds(at_least=0, below=1, hint="0 leaves the joint stage out.")
STAGE_SHARE = Bounds(above=0, at_most=1, hint="It is a share of all steps.")
LONG_SEQ_FRACTION = Bounds(above=0, below=1, hint="It is a share of all steps.")


def make_plan(
    method: Method,
    *,
    num_blocks: int,
    block_unit: Literal["layers", "groups"] = "layers",
    num_stages: int,
    num_train_steps: int,
    joint_fraction: float,
    seq_length: int,
    max_predictions_per_seq: int,
    batch_size: int,
    stage_steps: Sequence[int] = (),
    stage_shares: Sequence[float] = (),
    new_layers: NewLayers = "copied",
) -> StagePlan:
    """Returns the plan of a method.

    Args:
        method: "mslt" (paper section 3.2), "stacking" (Gong et al. 2019: everything trains, the
            whole stack is doubled twice) or "original" (one stage from scratch).
        num_blocks: depth of the final model.
        block_unit: what the blocks are called.
        num_stages: growing stages of mslt, the paper's k; the other methods have their own.
        num_train_steps: steps of the whole run.
        joint_fraction: share of the steps for mslt's closing joint stage; 0 leaves it out.
        seq_length: tokens per sequence.
        max_predictions_per_seq: masked tokens per sequence.
        batch_size: sequences per update.
        stage_steps: steps of each stage instead of the method's own shares; must sum to
            `num_train_steps`.
        stage_shares: the same as shares of all steps; must sum to 1.
        new_layers: what mslt's new layers start as: copies of those below, or initial weights.

    Raises:
        UserError: blocks that do not divide, shares out of range, both steps and shares of stages,
            stages without a step.
    """
    check_number("joint_fraction", joint_fraction, JOINT_FRACTION)
    shapes, shares = _own_stages(method, num_blocks, block_unit, num_stages, joint_fraction)
    if new_layers == "random":
        shapes = _without_copies(method, shapes)
    names = [name for name, _, _ in shapes]
    _check_stage_steps(stage_steps, stage_shares, names, num_train_steps)
    steps = stage_steps or _split_steps(num_train_steps, stage_shares or shares)
    return StagePlan(
        tuple(
            Stage(
                name=name,
                block_sources=sources,
                num_frozen_blocks=num_frozen,
                num_steps=num_steps,
                seq_length=seq_length,
                max_predictions_per_seq=max_predictions_per_seq,
                batch_size=batch_size,
            )
            for (name, sources, num_frozen), num_steps in zip(shapes, steps, strict=True)
        ),
        block_unit,
    )


def end_on_long_sequences(
    plan: StagePlan,
    *,
    fraction: float,
    seq_length: int,
    max_predictions_per_seq: int,
    batch_size: int,
) -> StagePlan:
    """Returns `plan` with its last steps at a greater length, as a stage of their own.

    Shorter sequences never reach the upper rows of the position table, so these have to be learnt
    at last; where the table trains. Paper section 4.2: the last 10 % of all steps, at 512.

    Args:
        plan: a plan of one length.
        fraction: of all steps.
        seq_length: tokens per sequence in these steps.
        max_predictions_per_seq: masked tokens per sequence in these steps.
        batch_size: sequences per update in these steps.

    Raises:
        UserError: the length is no greater, or the steps do not lie in a last stage that trains
            the embeddings.
    """
    last = plan.stages[-1]
    check_number("long_seq_fraction", fraction, LONG_SEQ_FRACTION)
    num_steps = round(fraction * plan.num_steps)
    most = min(last.num_steps, plan.num_steps - 1)
    if seq_length <= last.seq_length:
        raise UserError(
            f"long_seq_length {seq_length} is not more than max_seq_length {last.seq_length}. "
            "Use a greater one, or 0 for one length throughout."
        )
    if not last.trains_embeddings:
        raise UserError(
            f"the last stage, {last.name}, freezes the embeddings, and positions from "
            f"{last.seq_length} on would never be learnt at length {seq_length}. Use a "
            "joint_fraction above 0, or long_seq_length 0."
        )
    if not 1 <= num_steps <= most:
        raise UserError(
            f"long_seq_fraction {fraction} of {plan.num_steps} steps is {num_steps} steps. They "
            f"must be 1 to {most}, to lie in the last stage, {last.name}. Use another "
            "long_seq_fraction, or more steps in that stage."
        )
    long_stage = dataclasses.replace(
        last,
        name=f"{last.name}_{seq_length}",
        num_steps=num_steps,
        seq_length=seq_length,
        max_predictions_per_seq=max_predictions_per_seq,
        batch_size=batch_size,
    )
    stages = (*plan.stages[:-1], long_stage)
    if num_steps < last.num_steps:
        shortened = dataclasses.replace(last, num_steps=last.num_steps - num_steps)
        long_stage = dataclasses.replace(long_stage, block_sources=kept(last.num_blocks))
        stages = (*plan.stages[:-1], shortened, long_stage)
    return dataclasses.replace(plan, stages=stages)


_Shape = tuple[str, tuple[int | None, ...], int]  # name, block sources, frozen blocks


def _own_stages(
    method: Method, num_blocks: int, unit: str, num_stages: int, joint_fraction: float
) -> tuple[list[_Shape], Sequence[float]]:
    """Returns a method's stages, and their shares of the steps where none are told."""
    if method == "mslt":
        shapes = _mslt_shapes(num_blocks, num_stages, unit=unit, joint=joint_fraction > 0)
        return shapes, _mslt_shares(num_stages, joint_fraction)
    if method == "stacking":
        return _stacking_shapes(num_blocks, unit=unit), STACKING_STEP_SHARES
    return [("original", (None,) * num_blocks, 0)], [1.0]


def _mslt_shapes(num_blocks: int, num_stages: int, *, unit: str, joint: bool) -> list[_Shape]:
    if num_stages < 1 or num_blocks % num_stages:
        raise UserError(
            f"num_stages is {num_stages}, and must divide the number of {unit}. "
            f"Use a divisor of {num_blocks}: {_divisors(num_blocks)}."
        )
    grown = num_blocks // num_stages
    shapes: list[_Shape] = [(f"{unit}_{grown}", (None,) * grown, 0)]
    for depth in range(grown, num_blocks, grown):
        copies = tuple(range(depth - grown, depth))  # the top of the stage before
        shapes.append((f"{unit}_{depth + grown}", kept(depth) + copies, depth))
    if joint:
        shapes.append(("joint", kept(num_blocks), 0))
    return shapes


def _without_copies(method: Method, shapes: Sequence[_Shape]) -> list[_Shape]:
    """Returns stages whose new blocks keep their initial weights."""
    if method != "mslt":
        raise UserError(f"new_layers=random is for mslt, not for {method}. Leave it out.")
    depths = [0, *(len(sources) for _, sources, _ in shapes)]
    return [
        (name, kept(depth) + (None,) * (len(sources) - depth), num_frozen)
        for depth, (name, sources, num_frozen) in zip(depths[:-1], shapes, strict=True)
    ]


def _stacking_shapes(num_blocks: int, *, unit: str) -> list[_Shape]:
    doublings = len(STACKING_STEP_SHARES) - 1
    first = num_blocks // 2**doublings
    if first * 2**doublings != num_blocks:
        raise UserError(
            f"{num_blocks} {unit} cannot be reached by doubling {doublings} times. "
            f"--method=stacking needs a multiple of {2**doublings}."
        )
    shapes: list[_Shape] = [(f"{unit}_{first}", (None,) * first, 0)]
    for doubling in range(doublings):
        depth = first * 2**doubling
        shapes.append((f"{unit}_{2 * depth}", kept(depth) * 2, 0))
    return shapes


def _mslt_shares(num_stages: int, joint_fraction: float) -> list[float]:
    growing = [(1 - joint_fraction) / num_stages] * num_stages
    return [*growing, joint_fraction] if joint_fraction else growing


def _split_steps(num_train_steps: int, shares: Sequence[float]) -> list[int]:
    """Returns steps per share that sum to `num_train_steps` (edges rounded, not lengths)."""
    edges = [round(num_train_steps * sum(shares[:count])) for count in range(len(shares))]
    edges.append(num_train_steps)
    return [end - start for start, end in itertools.pairwise(edges)]


def _check_stage_steps(
    stage_steps: Sequence[int],
    stage_shares: Sequence[float],
    stages: Sequence[str],
    num_train_steps: int,
) -> None:
    _check_count("stage_steps", stage_steps, stages)
    _check_count("stage_shares", stage_shares, stages)
    if stage_steps and stage_shares:
        raise UserError("stage_steps and stage_shares are both given. Give one of them.")
    if stage_steps and sum(stage_steps) != num_train_steps:
        raise UserError(
            f"stage_steps sum to {sum(stage_steps)}, num_train_steps is {num_train_steps}. "
            "Make them equal."
        )
    for share in stage_shares:
        check_number("an entry of stage_shares", share, STAGE_SHARE)
    if stage_shares and not math.isclose(sum(stage_shares), 1, abs_tol=1e-6):
        raise UserError(
            f"stage_shares sum to {sum(stage_shares):.6g}. They are shares of all steps: make "
            "their sum 1."
        )


def _check_count(name: str, entries: Sequence[float], stages: Sequence[str]) -> None:
    if entries and len(entries) != len(stages):
        raise UserError(
            f"{name} needs a number for each stage of the plan ({len(stages)}: "
            f"{', '.join(stages)}), and has {len(entries)}. Give one for each."
        )


def _divisors(number: int) -> str:
    return ", ".join(str(d) for d in range(1, number + 1) if number % d == 0)
