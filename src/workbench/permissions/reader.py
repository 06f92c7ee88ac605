"""Statements, from tree-sitter's nodes to `syntax`: only what is known to mean the same to bash."""

import re
from itertools import pairwise
from typing import Any

from workbench.permissions.reader_words import BLANKS, WordReader, named
from workbench.permissions.syntax import (
    AndOr,
    Block,
    Branch,
    For,
    Lit,
    Node,
    Not,
    Pipe,
    Redirect,
    Redirected,
    Simple,
    Test,
    UnreadableError,
    Word,
)

_KEYWORDS = (
    *("!", "{", "}", "[[", "]]", "if", "then", "elif", "else", "fi", "for", "in", "do", "done", "while", "until"),
    *("case", "esac", "select", "function", "coproc"),
)
_BEFORE = ("", *" \t\n;|&()")
# What bash takes for the descriptor of the redirect that follows, and the grammar for a word: `0`, `{name}`.
_DESCRIPTOR = re.compile(rb"(?:^|[\s;&|()<>])(?:\\\n)*(?:\d(?:\\\n|\d)*|\{(?:\\\n|[^\s{}])*\})(?:\\\n)*$")
_INPUTS = {"<"}
_OUTPUTS = {">", ">>", ">|", "&>", "&>>", "<>"}
_TEST_LEAVES = {"word", "number", "string", "raw_string", "concatenation", "simple_expansion", "expansion"}
_TEST_SIGNS = {"[", "]", "=", "==", "!=", "!", "-a", "test_operator"}
_TEST_NODES = {"unary_expression", "binary_expression", "parenthesized_expression", "negation_expression"}


class Reader(WordReader):
    """One reading of one source. Each method takes a tree-sitter node of the kind that it is named after."""

    def program(self, root: Any) -> Block:
        """The whole source, with nothing before, between or after that is not blank."""
        first, last = (root.children[0], root.children[-1]) if root.children else (root, root)
        before, after = self.source[: first.start_byte], self.source[last.end_byte :]
        if not BLANKS.match(before.decode()) or not BLANKS.match(after.decode()):
            raise UnreadableError("text outside its commands")
        return self.block(root.children)

    def block(self, children: list[Any], own: bool = False) -> Block:
        """Statements with their separators."""
        self.gaps(children, BLANKS)
        items: list[Node] = []
        for child in children:
            if child.type == "&" and items:
                items[-1] = Block((items[-1],), own=True)
            elif child.type in (";", "\n", "comment"):
                continue
            else:
                items.append(self.statement(child))
        return Block(tuple(items), own)

    def statement(self, node: Any) -> Node:
        """Any statement of the whitelist."""
        method = _STATEMENTS.get(node.type)
        if method is None or node.is_missing:
            raise UnreadableError(f"it uses {named(node.type)}")
        edges = [node.children[0].start_byte, node.children[-1].end_byte] if node.children else []
        if edges and edges != [node.start_byte, node.end_byte]:
            raise UnreadableError("a character that the grammar passes over")
        self.deeper()
        try:
            statement: Node = method(self, node)
            return statement
        finally:
            self.depth -= 1

    def command(self, node: Any) -> Simple:
        self.gaps(node.children)
        words: list[Word] = []
        assigns: list[tuple[str, Word]] = []
        redirects: list[Redirect] = []
        for child in node.children:
            kind = child.type
            if kind == "variable_assignment":
                assigns.append(self.assign(child))
            elif kind == "command_name":
                words.append(self.word(child.children[0]))
            elif kind in ("file_redirect", "herestring_redirect", "heredoc_redirect"):
                words.extend(self.redirect(child, redirects))
            else:
                words.append(self.word(child))
        first = words[1:2] if words and words[0].parts == (Lit("time", True),) else words[:1]
        if any(word.parts == (Lit(keyword, True),) for word in first for keyword in _KEYWORDS):
            raise UnreadableError("a word of the shell's grammar where a command should be")
        return Simple(tuple(words), tuple(assigns), tuple(redirects), self.text(node))

    def assignment(self, node: Any) -> Simple:
        parts = node.children if node.type == "variable_assignments" else [node]
        self.gaps(parts)
        return Simple((), tuple(self.assign(part) for part in parts), (), self.text(node))

    def assign(self, node: Any) -> tuple[str, Word]:
        if not re.fullmatch(r"[A-Za-z_]\w*=[\s\S]*", self.text(node), re.ASCII):
            raise UnreadableError("an odd assignment")
        if node.children[0].type != "variable_name" or node.children[1].type != "=" or len(node.children) > 3:
            raise UnreadableError("an assignment to an array or with +=")
        if any(one.end_byte != two.start_byte for one, two in pairwise(node.children)):
            raise UnreadableError("an assignment with blanks in it")
        value = self.word(node.children[2]) if len(node.children) == 3 else Word(())
        return self.text(node.children[0]), value

    def declaration(self, node: Any) -> Simple:
        """`export`, `declare` and the like: a command whose name is a keyword to the grammar."""
        self.gaps(node.children)
        words = [Word((Lit(self.text(node.children[0])),))]
        for child in node.children[1:]:
            if child.type == "variable_assignment":
                name, value = self.assign(child)
                words.append(Word((Lit(f"{name}="), *value.parts)))
            elif child.type == "variable_name":
                words.append(Word((Lit(self.text(child)),)))
            else:
                words.append(self.word(child))
        return Simple(tuple(words), (), (), self.text(node))

    def redirected(self, node: Any) -> Node:
        self.gaps(node.children)
        redirects: list[Redirect] = []
        more: list[Word] = []
        body: Node | None = None
        for child in node.children:
            if child.type in ("file_redirect", "herestring_redirect", "heredoc_redirect"):
                more.extend(self.redirect(child, redirects))
            else:
                body = self.statement(child)
        if isinstance(body, Simple):
            words = (*body.words, *more)
            return Simple(words, body.assigns, (*body.redirects, *redirects), self.text(node))
        if more:
            raise UnreadableError("words after a redirect")
        if body is None:
            return Simple((), (), tuple(redirects), self.text(node))
        return _last(body, tuple(redirects))

    def redirect(self, node: Any, into: list[Redirect]) -> list[Word]:
        """Adds the redirect to INTO; the words that follow its target belong to the command."""
        if node.children[0].type != "file_descriptor":
            if _DESCRIPTOR.search(self.source[: node.start_byte]):
                raise UnreadableError("a descriptor that reads as a word")
        elif not re.fullmatch(r"\d+", self.text(node.children[0]).replace("\\\n", "")):
            raise UnreadableError("a word that reads as a descriptor")  # `-1>f`
        if node.type == "heredoc_redirect":
            return self.heredoc(node, into)
        self.gaps(node.children)
        children = [child for child in node.children if child.type != "file_descriptor"]
        if len(children) < len(node.children) and self.source[: node.start_byte][-1:].decode("latin-1") not in _BEFORE:
            raise UnreadableError("a number before a redirect that may end a word")
        operator, targets = children[0].type, children[1:]
        if not targets:
            if operator in (">&-", "<&-"):
                return []
            raise UnreadableError("a redirect without a target")
        if operator == "<<<":
            into.append(Redirect("<<<", self.word(targets[0])))
        elif operator in (">&", "<&") and re.fullmatch(r"\d+|-", self.text(targets[0])):
            pass  # a descriptor is copied or closed
        elif operator == ">&" and not re.fullmatch(r"[\w./][\w./-]*", self.text(targets[0])):
            raise UnreadableError("a target of >& that bash reads twice")  # `>& -n` closes, and runs n
        elif operator in _INPUTS | _OUTPUTS | {">&"}:
            into.append(Redirect(">" if operator == ">&" else operator, self.word(targets[0])))
        else:
            raise UnreadableError(f"the redirect {operator}")
        return [self.word(extra) for extra in targets[1:]]

    def heredoc(self, node: Any, into: list[Redirect]) -> list[Word]:
        """A here-doc is read where nothing in it expands: its delimiter is quoted, or it holds none of $, ` and \\."""
        children = [child for child in node.children if child.type != "file_descriptor"]
        kinds = [child.type for child in children if child.type != "file_redirect"]
        if kinds not in (
            ["<<", "heredoc_start", "heredoc_body", "heredoc_end"],
            ["<<", "heredoc_start", "heredoc_end"],
        ):
            raise UnreadableError("a here-doc with more than redirects on the line of its opener")
        opener, redirects = children[1], [child for child in children if child.type == "file_redirect"]
        delimiter = self.text(opener)
        quoted = re.fullmatch(r"'[A-Za-z0-9_]+'|\"[A-Za-z0-9_]+\"", delimiter) is not None
        if not quoted and not re.fullmatch(r"[A-Za-z0-9_]+", delimiter):
            raise UnreadableError("a here-doc whose delimiter is not quoted as a whole")
        self.gaps([opener, *redirects])
        lines = self.source[[opener, *redirects][-1].end_byte : node.end_byte].decode().split("\n")
        # bash ends it at the first such line: the grammar must have ended it there too.
        end = delimiter[1:-1] if quoted else delimiter
        cut = self.source[node.end_byte : node.end_byte + 1] not in (b"", b"\n")
        if cut or lines[0].strip(" \t") or lines[-1] != end or end in lines[1:-1]:
            raise UnreadableError("a here-doc that does not end where it should")
        if not quoted and any(sign in line for line in lines[1:-1] for sign in "$`\\"):
            raise UnreadableError("a here-doc whose delimiter is not quoted, with something in it that expands")
        into.append(Redirect("<<"))
        return [word for child in redirects for word in self.redirect(child, into)]

    def pipeline(self, node: Any) -> Node:
        self.gaps(node.children, BLANKS)
        kinds = [child.type for child in node.children]
        if any(kind not in ("|", "|&") for kind in kinds[1::2]):
            raise UnreadableError("an odd pipeline")
        parts = [_chain(self.statement(child)) for child in node.children[::2]]
        return _grouped([part for more in parts for part in ("|", *more)][1:])

    def and_or(self, node: Any) -> Node:
        self.gaps(node.children, BLANKS)
        if len(node.children) != 3 or node.children[1].type not in ("&&", "||"):
            raise UnreadableError("an odd list")
        left, operator, right = node.children
        return _grouped([*_chain(self.statement(left)), operator.type, *_chain(self.statement(right))])

    def negated(self, node: Any) -> Node:
        self.gaps(node.children)
        first, *rest = _chain(self.statement(node.children[1]))
        return _grouped([Not(first), *rest])  # type: ignore[arg-type]

    def group(self, node: Any) -> Block:
        inner = node.children[1:-1]
        self.gaps(node.children, BLANKS)
        if (node.children[0].type, node.children[-1].type) not in (("{", "}"), ("(", ")"), ("do", "done")):
            raise UnreadableError("an odd group")
        return self.block(inner, own=node.type == "subshell")

    def branches(self, node: Any) -> Branch:
        """if, elif, else: each run of statements between the keywords is a block."""
        self.gaps(node.children, BLANKS)
        blocks: list[Block] = []
        run: list[Any] = []
        for child in node.children:
            if child.type in ("if", "then", "elif", "else", "fi"):
                blocks.append(self.block(run))
                run = []
            elif child.type in ("elif_clause", "else_clause"):
                blocks.append(self.block(run))
                run = []
                blocks.extend(self.branches(child).blocks)
            else:
                run.append(child)
        blocks.append(self.block(run))
        return Branch(tuple(block for block in blocks if block.items))

    def while_loop(self, node: Any) -> Branch:
        self.gaps(node.children, BLANKS)
        if node.children[0].type not in ("while", "until") or node.children[-1].type != "do_group":
            raise UnreadableError("an odd loop")
        return Branch((self.block(node.children[1:-1]), self.group(node.children[-1])), loop=True)

    def for_loop(self, node: Any) -> For:
        self.gaps(node.children, BLANKS)
        kinds = [child.type for child in node.children]
        if kinds[:3] != ["for", "variable_name", "in"] or kinds[-1] != "do_group":
            raise UnreadableError("a for loop without words")
        words = tuple(self.word(child) for child in node.children[3:-1] if child.type not in (";", "\n", "comment"))
        return For(self.text(node.children[1]), words, self.group(node.children[-1]))

    def test(self, node: Any) -> Test | Simple:
        kind, words = node.children[0].type, list[Word]()
        self.gaps(node.children)
        if kind == "[":
            self.arguments(node.children, words)
            return Simple(tuple(words), text=self.text(node))
        if kind != "[[":
            raise UnreadableError("arithmetic commands")
        self.operands(node.children[1:-1], words)
        return Test(tuple(words))

    def arguments(self, children: list[Any], words: list[Word]) -> None:
        """The words of `[ … ]` as bash hands them on. To bash it is a command: `<`, `>`, `||` in it are the shell's."""
        self.gaps(children)
        for before, child in zip([None, *children], children, strict=False):
            if before is not None and before.end_byte == child.start_byte:
                raise UnreadableError("words of a test without a blank between them")
            if child.type in _TEST_NODES:
                self.arguments(child.children, words)
            elif child.type in _TEST_LEAVES:
                words.append(self.word(child))
            elif child.type in _TEST_SIGNS:
                words.append(Word((Lit(self.text(child)),)))
            else:
                raise UnreadableError(f"{named(child.type)} in a test")

    def operands(self, children: list[Any], words: list[Word]) -> None:
        """The words of [[ ]]. `-v` and arithmetic in it evaluate subscripts; `=~` and most patterns are refused."""
        self.gaps(children)
        for child in children:
            if child.type in _TEST_NODES:
                self.operands(child.children, words)
            elif child.type in _TEST_LEAVES:
                words.append(self.word(child))
            elif child.type == "test_operator":
                if self.text(child) in ("-v", "-R", "-o", "-eq", "-ne", "-lt", "-le", "-gt", "-ge"):
                    raise UnreadableError(f"the test {self.text(child)}, which may evaluate what it is given")
            elif child.type == "extglob_pattern" and re.fullmatch(r"[\w.*?/-]+", self.text(child)):
                continue
            elif child.type not in ("=", "==", "!=", "!", "&&", "||", "(", ")", "<", ">"):
                raise UnreadableError(f"{named(child.type)} in a test")


def _chain(node: Node) -> list[Node | str]:
    """The commands of NODE with the operators between them: the grammar does not always bind `|` closer than `&&`."""
    if isinstance(node, AndOr):
        return [*_chain(node.left), node.op, *_chain(node.right)]
    if isinstance(node, Pipe):
        return [part for more in map(_chain, node.parts) for part in ("|", *more)][1:]
    return [node]


def _grouped(chain: list[Node | str]) -> Node:
    """A chain of commands as bash groups it: pipelines first, then `&&` and `||` from left to right."""
    pipes: list[list[Node]] = [[]]
    operators: list[str] = []
    for part in chain:
        if not isinstance(part, str):
            pipes[-1].append(part)
        elif part != "|":
            operators.append(part)
            pipes.append([])
    nodes = [Pipe(tuple(parts)) if len(parts) > 1 else parts[0] for parts in pipes]
    for operator, right in zip(operators, nodes[1:], strict=True):
        nodes[0] = AndOr(nodes[0], operator, right)
    return nodes[0]


def _last(body: Node, redirects: tuple[Redirect, ...]) -> Node:
    """BODY with REDIRECTS where bash has them: the grammar hangs those of the last command on the whole list."""
    if isinstance(body, AndOr):
        return AndOr(body.left, body.op, _last(body.right, redirects))
    if isinstance(body, Pipe):
        return Pipe((*body.parts[:-1], _last(body.parts[-1], redirects)))
    if isinstance(body, Not):
        return Not(_last(body.body, redirects))
    if isinstance(body, Simple):
        return Simple(body.words, body.assigns, (*body.redirects, *redirects), body.text)
    return Redirected(body, redirects)


_STATEMENTS: dict[str, Any] = {
    "command": Reader.command,
    "variable_assignment": Reader.assignment,
    "variable_assignments": Reader.assignment,
    "declaration_command": Reader.declaration,
    "unset_command": Reader.declaration,
    "redirected_statement": Reader.redirected,
    "pipeline": Reader.pipeline,
    "list": Reader.and_or,
    "negated_command": Reader.negated,
    "compound_statement": Reader.group,
    "subshell": Reader.group,
    "if_statement": Reader.branches,
    "while_statement": Reader.while_loop,
    "for_statement": Reader.for_loop,
    "test_command": Reader.test,
}
