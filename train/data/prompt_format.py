"""The prompt formats of the recipe's methods: the only module of `train` that contains prompt text.

By default the header of a role is its whole instruction, in both stages and at inference. The other formats
reproduce ablations of the paper (arXiv 2401.07324, section 4 and Table 1): roles with other headers and an
instruction that stage 1 did not contain, or one model that writes thought, call and answer in one turn.
`agent` does not support them, so adapters trained with them can be evaluated but not exported.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from agent.prompting import Markers, Segment, Tokenize, segment, segments
from agent.prompting.encoding import Encoded, encode_segments, view_roles
from agent.transcript import CallerTurn, PlannerTurn, SummarizerTurn, Transcript

ASSISTANT = "assistant"
"""The header of the single model of the method `one-model`."""

_OTHER_HEADERS = {"planner": "thought", "caller": "action", "summarizer": "answer"}
_INSTRUCTIONS = {
    "planner": "You see a conversation and the tools on offer. Write a thought: what is known and what is to"
    " be done next. End with a line that says who goes on: `Next: caller` where a tool has to be called,"
    " `Next: summarizer` where the answer can be given, `Next: give up` where no tool can help.",
    "caller": "You see a conversation and the tools on offer. Write the action that the last thought asks"
    ' for: one JSON object a line, {"name":"…","arguments":{…}}, with the name of a tool and its parameters.',
    "summarizer": "You see a conversation and what the tools returned. Write the answer for the user, resting"
    " on what was returned.",
}


@dataclass(frozen=True)
class PromptFormat:
    """The format of transcripts for a stage. The default is the inference format."""

    names: Mapping[str, str] = field(default_factory=dict)
    """Role -> header, for roles whose header is not their name."""
    instruction: str = ""
    """Appended to the instruction of the transcript, in the system turn after the tools."""
    joined: bool = False
    """Whether a planner's turn and the turn after it are merged into one turn of the assistant."""

    def segments(self, transcript: Transcript) -> Iterator[Segment]:
        """Yield the turns of the transcript as text."""
        if self.instruction:
            parts = [part for part in (transcript.instruction, self.instruction) if part]
            transcript = replace(transcript, instruction="\n\n".join(parts))
        if self.joined:
            yield from segments(replace(transcript, turns=()))
            yield from _joined(transcript)
        else:
            for piece in segments(transcript):
                yield Segment(self.names.get(piece.role, piece.role), piece.content)

    def encode(self, transcript: Transcript, name: str, tokenize: Tokenize, markers: Markers) -> Encoded:
        """Encode `transcript` with the turns of the view `name` (`backbone` or a role) as targets."""
        targets = (ASSISTANT,) if self.joined else [self.names.get(role, role) for role in view_roles(name)]
        return encode_segments(self.segments(transcript), targets, tokenize, markers)


INFERENCE_FORMAT = PromptFormat()


def prompt_format_of(method: str, stage: str) -> PromptFormat:
    """Return the format of `stage` (`backbone` or a role) under a recipe's method."""
    if method == "one-model":
        return PromptFormat(joined=True)
    if method == "two-stage-without-reuse" and stage in _INSTRUCTIONS:
        return PromptFormat(_OTHER_HEADERS, _INSTRUCTIONS[stage])
    return INFERENCE_FORMAT


def _joined(transcript: Transcript) -> Iterator[Segment]:
    thought = ""
    for turn in transcript.turns:
        piece = segment(turn)
        if isinstance(turn, PlannerTurn) and turn.next != "give up":
            thought = f"{piece.content}\n"
        elif isinstance(turn, PlannerTurn | CallerTurn | SummarizerTurn):
            yield Segment(ASSISTANT, thought + piece.content)
            thought = ""
        else:
            thought = ""
            yield piece
