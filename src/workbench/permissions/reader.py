"""From tree-sitter's nodes to `syntax`: a whitelist of node kinds, with a look at what lies between them."""

import re
from typing import Any

from workbench.permissions.syntax import (
    AndOr,
    Block,
    Branch,
    Digits,
    For,
    Lit,
    Node,
    Part,
    Pipe,
    Redirect,
    Redirected,
    Simple,
    Sub,
    Test,
    UnreadableError,
    Var,
    Word,
)

_DEEPEST = 30
_BLANK = re.compile(r"[ \t]*\Z")
_BLANKS = re.compile(r"[ \t\n]*\Z")
_SPECIAL = re.compile(r"[$`;|&<>()\"'\s]")
_ARITHMETIC = re.compile(r"[0-9+\-*/% ()]*\Z")
_INPUTS = {"<"}
_OUTPUTS = {">", ">>", ">|", "&>", "&>>", "<>"}
_TEST_LEAVES = {"word", "number", "string", "raw_string", "concatenation", "simple_expansion", "expansion"}
_TEST_NODES = {"unary_expression", "binary_expression", "parenthesized_expression", "negation_expression"}


class Reader:
    """One reading of one source. Each method takes a tree-sitter node of the kind that it is named after."""

    def __init__(self, source: bytes) -> None:
        self.source = source
        self.depth = 0

    def text(self, node: Any) -> str:
        """The source of NODE."""
        return self.source[node.start_byte : node.end_byte].decode()

    def program(self, root: Any) -> Block:
        """The whole source, with nothing before, between or after that is not blank."""
        before, after = self.source[: root.start_byte], self.source[root.end_byte :]
        if not _BLANKS.match(before.decode()) or not _BLANKS.match(after.decode()):
            raise UnreadableError("text outside its commands")
        return self.block(root.children)

    def gaps(self, children: list[Any], allowed: re.Pattern[str] = _BLANK) -> None:
        """Between CHILDREN stands nothing but what ALLOWED says."""
        for one, two in zip(children, children[1:], strict=False):
            if not allowed.match(self.source[one.end_byte : two.start_byte].decode()):
                raise UnreadableError("a line break or a character inside a command that bash may read differently")

    def block(self, children: list[Any], own: bool = False) -> Block:
        """Statements with their separators."""
        self.gaps(children, _BLANKS)
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
            raise UnreadableError(f"it uses {_named(node.type)}")
        self.depth += 1
        if self.depth > _DEEPEST:
            raise UnreadableError("it is nested too deeply")
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
        return Simple(tuple(words), tuple(assigns), tuple(redirects), self.text(node))

    def assignment(self, node: Any) -> Simple:
        parts = node.children if node.type == "variable_assignments" else [node]
        self.gaps(parts)
        return Simple((), tuple(self.assign(part) for part in parts), (), self.text(node))

    def assign(self, node: Any) -> tuple[str, Word]:
        if node.children[0].type != "variable_name" or node.children[1].type != "=" or len(node.children) > 3:
            raise UnreadableError("an assignment to an array or with +=")
        if any(one.end_byte != two.start_byte for one, two in zip(node.children, node.children[1:], strict=False)):
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
        if node.type == "heredoc_redirect":
            return self.heredoc(node, into)
        self.gaps(node.children)
        children = [child for child in node.children if child.type != "file_descriptor"]
        operator, targets = children[0].type, children[1:]
        if not targets:
            if operator in (">&-", "<&-"):
                return []
            raise UnreadableError("a redirect without a target")
        if operator == "<<<":
            into.append(Redirect("<<<", self.word(targets[0])))
        elif operator in (">&", "<&") and re.fullmatch(r"\d+|-", self.text(targets[0])):
            pass  # a descriptor is copied or closed
        elif operator in _INPUTS | _OUTPUTS | {">&"}:
            into.append(Redirect(">" if operator == ">&" else operator, self.word(targets[0])))
        else:
            raise UnreadableError(f"the redirect {operator}")
        return [self.word(extra) for extra in targets[1:]]

    def heredoc(self, node: Any, into: list[Redirect]) -> list[Word]:
        """A here-doc is read only where its delimiter is quoted: then nothing in it expands."""
        children = [child for child in node.children if child.type != "file_descriptor"]
        kinds = [child.type for child in children if child.type != "file_redirect"]
        if kinds not in (
            ["<<", "heredoc_start", "heredoc_body", "heredoc_end"],
            ["<<", "heredoc_start", "heredoc_end"],
        ):
            raise UnreadableError("a here-doc with more than redirects on the line of its opener")
        opener, redirects = children[1], [child for child in children if child.type == "file_redirect"]
        delimiter = self.text(opener)
        if not re.fullmatch(r"'[A-Za-z0-9_]+'|\"[A-Za-z0-9_]+\"", delimiter):
            raise UnreadableError("a here-doc whose delimiter is not quoted as a whole")
        self.gaps([opener, *redirects])
        lines = self.source[[opener, *redirects][-1].end_byte : node.end_byte].decode().split("\n")
        # bash ends it at the first such line: the grammar must have ended it there too.
        if lines[0].strip(" \t") or lines[-1] != delimiter[1:-1] or delimiter[1:-1] in lines[1:-1]:
            raise UnreadableError("a here-doc that does not end where it should")
        into.append(Redirect("<<"))
        return [word for child in redirects for word in self.redirect(child, into)]

    def pipeline(self, node: Any) -> Pipe:
        self.gaps(node.children, _BLANKS)
        kinds = [child.type for child in node.children]
        if any(kind not in ("|", "|&") for kind in kinds[1::2]):
            raise UnreadableError("an odd pipeline")
        return Pipe(tuple(self.statement(child) for child in node.children[::2]))

    def and_or(self, node: Any) -> AndOr:
        self.gaps(node.children, _BLANKS)
        if len(node.children) != 3 or node.children[1].type not in ("&&", "||"):
            raise UnreadableError("an odd list")
        left, operator, right = node.children
        return AndOr(self.statement(left), operator.type, self.statement(right))

    def negated(self, node: Any) -> Node:
        self.gaps(node.children)
        return self.statement(node.children[1])

    def group(self, node: Any) -> Block:
        inner = node.children[1:-1]
        self.gaps(node.children, _BLANKS)
        if (node.children[0].type, node.children[-1].type) not in (("{", "}"), ("(", ")"), ("do", "done")):
            raise UnreadableError("an odd group")
        return self.block(inner, own=node.type == "subshell")

    def branches(self, node: Any) -> Branch:
        """if, elif, else: each run of statements between the keywords is a block."""
        self.gaps(node.children, _BLANKS)
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
        self.gaps(node.children, _BLANKS)
        if node.children[0].type not in ("while", "until") or node.children[-1].type != "do_group":
            raise UnreadableError("an odd loop")
        return Branch((self.block(node.children[1:-1]), self.group(node.children[-1])), loop=True)

    def for_loop(self, node: Any) -> For:
        self.gaps(node.children, _BLANKS)
        kinds = [child.type for child in node.children]
        if kinds[:3] != ["for", "variable_name", "in"] or kinds[-1] != "do_group":
            raise UnreadableError("a for loop without words")
        words = tuple(self.word(child) for child in node.children[3:-1] if child.type not in (";", "\n", "comment"))
        return For(self.text(node.children[1]), words, self.group(node.children[-1]))

    def test(self, node: Any) -> Test:
        if node.children[0].type not in ("[", "[["):
            raise UnreadableError("arithmetic commands")
        words: list[Word] = []
        self.operands(node.children[1:-1], words, double=node.children[0].type == "[[")
        self.gaps(node.children)
        return Test(tuple(words))

    def operands(self, children: list[Any], words: list[Word], double: bool) -> None:
        """The words of a test. `-v` and, within [[ ]], arithmetic evaluate subscripts; `=~` and groups are refused."""
        self.gaps(children)
        for child in children:
            if child.type in _TEST_NODES:
                self.operands(child.children, words, double)
            elif child.type in _TEST_LEAVES:
                words.append(self.word(child))
            elif child.type == "test_operator":
                operator = self.text(child)
                if operator in ("-v", "-R", "-o") or (double and operator[1:] in ("eq", "ne", "lt", "le", "gt", "ge")):
                    raise UnreadableError(f"the test {operator}, which may evaluate what it is given")
            elif child.type not in ("=", "==", "!=", "!", "&&", "||", "-a", "(", ")", "<", ">"):
                raise UnreadableError(f"{_named(child.type)} in a test")

    def word(self, node: Any) -> Word:
        """One word: its pieces in order."""
        return Word(tuple(self.parts(node)))

    def parts(self, node: Any) -> list[Part]:
        """The pieces of a word or of one part of it."""
        method = _PIECES.get(node.type)
        if method is None or node.is_missing:
            raise UnreadableError(f"it uses {_named(node.type)}")
        pieces: list[Part] = method(self, node)
        return pieces

    def plain(self, node: Any) -> list[Part]:
        text, parts, at = self.text(node), [], 0
        while at < len(text):
            if text[at] == "\\":
                if at + 1 == len(text) or text[at + 1] == "\n":
                    raise UnreadableError("a backslash at the end of a word or a line")
                parts.append(Lit(text[at + 1]))
                at += 2
                continue
            stop = text.find("\\", at)
            run = text[at : stop if stop >= 0 else len(text)]
            if _SPECIAL.search(run):
                raise UnreadableError("an operator, a quote or a line break inside a word")
            parts.append(Lit(run, True))
            at += len(run)
        return list[Part](parts)

    def raw(self, node: Any) -> list[Part]:
        text = self.text(node)
        if text.count("'") != 2:
            raise UnreadableError("odd quoting")
        return [Lit(text[1:-1])]

    def string(self, node: Any) -> list[Part]:
        """A double-quoted string; the text between its expansions is taken from the source, blanks included."""
        parts: list[Part] = []
        if node.children[0].type != '"' or node.children[-1].type != '"':
            raise UnreadableError("a translated string")
        at = node.start_byte + 1
        for child in [*node.children[1:-1], node.children[-1]]:
            if child.type in ("string_content", "$"):
                continue
            if child.start_byte > at:
                parts.append(Lit(_unescape(self.source[at : child.start_byte].decode())))
            at = child.end_byte
            if child.start_byte != node.end_byte - 1:
                parts.extend(_quoted(part) for part in self.parts(child))
        return parts or [Lit("")]

    def concatenation(self, node: Any) -> list[Part]:
        if any(one.end_byte != two.start_byte for one, two in zip(node.children, node.children[1:], strict=False)):
            raise UnreadableError("a word with blanks in it")
        kinds = [child.type for child in node.children]
        if any(kind == "$" for kind in kinds):
            raise UnreadableError("a translated string")
        return [part for child in node.children for part in self.parts(child)]

    def variable(self, node: Any) -> list[Part]:
        kinds = [child.type for child in node.children]
        if kinds not in (["$", "variable_name"], ["$", "special_variable_name"], ["${", "variable_name", "}"]):
            raise UnreadableError("an expansion other than $name")
        name = self.text(node.children[1])
        if self.text(node) not in (f"${name}", f"${{{name}}}"):
            raise UnreadableError("an odd expansion")
        return [Var(name)]

    def substitution(self, node: Any) -> list[Part]:
        children = node.children
        if (children[0].type, children[-1].type) not in (("$(", ")"), ("`", "`")):
            raise UnreadableError("an odd substitution")
        if children[0].type == "`" and "\\" in self.text(node):
            raise UnreadableError("a backslash within backticks")
        self.gaps(children, _BLANKS)
        self.depth += 1
        if self.depth > _DEEPEST:
            raise UnreadableError("it is nested too deeply")
        body = self.block(children[1:-1], own=True)
        self.depth -= 1
        return [Sub(body)]

    def arithmetic(self, node: Any) -> list[Part]:
        inner = self.text(node)
        if not inner.startswith("$((") or not _ARITHMETIC.match(inner[3:-2]):
            raise UnreadableError("arithmetic over names")
        return [Digits()]

    def braces(self, node: Any) -> list[Part]:
        text = self.text(node)
        if not re.fullmatch(r"\{\d+\.\.\d+\}", text):
            raise UnreadableError("an odd brace expansion")
        return [Lit(text, True)]


def _last(body: Node, redirects: tuple[Redirect, ...]) -> Node:
    """BODY with REDIRECTS where bash has them: the grammar hangs those of the last command on the whole list."""
    if isinstance(body, AndOr):
        return AndOr(body.left, body.op, _last(body.right, redirects))
    if isinstance(body, Pipe):
        return Pipe((*body.parts[:-1], _last(body.parts[-1], redirects)))
    if isinstance(body, Simple):
        return Simple(body.words, body.assigns, (*body.redirects, *redirects), body.text)
    return Redirected(body, redirects)


def _quoted(part: Part) -> Part:
    if isinstance(part, Var):
        return Var(part.name, quoted=True)
    return Sub(part.body, quoted=True) if isinstance(part, Sub) else part


def _unescape(text: str) -> str:
    """The text of a double-quoted string without its escapes; an expansion that has no node is refused."""
    bare = re.sub(r"\\[\s\S]", "", text)
    if re.search(r"`|\$[A-Za-z0-9_{(\[@*#?$!'\"-]", bare):
        raise UnreadableError("an expansion inside a string that was not recognised")
    return re.sub(r"\\([$`\"\\\n])", lambda found: "" if found[1] == "\n" else found[1], text)


def _named(kind: str) -> str:
    """A node kind in words."""
    return _WORDS.get(kind, f"`{kind}`" if not kind.isidentifier() else kind.replace("_", " "))


_WORDS = {
    "function_definition": "a function of its own",
    "process_substitution": "process substitution <( ) or >( )",
    "ansi_c_string": "a $'…' string",
    "c_style_for_statement": "a for (( )) loop",
    "expansion": "an expansion other than $name",
}
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
_PIECES: dict[str, Any] = {
    "word": Reader.plain,
    "number": Reader.plain,
    "raw_string": Reader.raw,
    "string": Reader.string,
    "concatenation": Reader.concatenation,
    "simple_expansion": Reader.variable,
    "expansion": Reader.variable,
    "command_substitution": Reader.substitution,
    "arithmetic_expansion": Reader.arithmetic,
    "brace_expression": Reader.braces,
    "test_operator": Reader.plain,
}
