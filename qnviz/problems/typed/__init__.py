"""Functions that visitors type: read, compiled, differentiated, bounded and minimised.

    text → words (`lexer`) → tree (`parser`, `tree`) → program (`compiler`, `program`, `ops`)

`expression` goes all that way; `function` is the spec of a run on it and `problem` what is
minimised. `bound` and `search`, with `settling`, find what is known of its minima, and `gallery`
holds the classic test functions.
"""

from qnviz.problems.typed.expression import Expression, parse
from qnviz.problems.typed.function import Function
from qnviz.problems.typed.gallery import CLASSICS, Classic
from qnviz.problems.typed.lexer import for_address, from_address
from qnviz.problems.typed.ops import NAMED

__all__ = ["CLASSICS", "NAMED", "Classic", "Expression", "Function", "for_address",
           "from_address", "parse"]
