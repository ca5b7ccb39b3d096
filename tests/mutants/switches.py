"""The text of a source file with all of its mutants, each behind a switch: `mutant::on(ID)`."""

import collections

import tree_sitter
import tree_sitter_rust

PARSER = tree_sitter.Parser(tree_sitter.Language(tree_sitter_rust.language()))


class File:
    """`mutants` are those of one file, as cargo-mutants lists them, each with an `id`."""

    def __init__(self, text, mutants):
        self.text = text
        self.placed = set()
        # By genre and by the place where it begins.
        self.mutants = collections.defaultdict(list)
        lines = text.decode().split("\n")
        starts = [0]
        for line in lines:
            starts.append(starts[-1] + len(line.encode()) + 1)
        for mutant in mutants:
            at = mutant["span"]["start"]
            offset = starts[at["line"] - 1] + len(lines[at["line"] - 1][: at["column"] - 1].encode())
            self.mutants[mutant["genre"], offset].append(mutant)

    def with_switches(self):
        """The new text, and of each part that is of a mutant: where it begins and ends, and the id."""
        root = PARSER.parse(self.text).root_node
        new, spans = b"", []
        for part, mutant in [(self.text[: root.start_byte], 0), *self.emit(root), (self.text[root.end_byte :], 0)]:
            if mutant:
                spans.append((len(new), len(new) + len(part), mutant))
            new += part
        return new, spans

    def take(self, genre, node):
        mutants = self.mutants[genre, node.start_byte]
        self.placed.update(mutant["id"] for mutant in mutants)
        return mutants

    def source(self, start, end):
        return [(self.text[start:end], 0)]

    def emit(self, node):
        """The text of the node, as a list of parts with the id of their mutant, or 0."""
        kind = node.type
        if kind in ("binary_expression", "compound_assignment_expr"):
            return self.binary(node)
        if kind == "unary_expression":
            return self.unary(node)
        if kind == "match_arm":
            return self.match_arm(node)
        if kind in ("field_initializer", "shorthand_field_initializer"):
            return self.field(node)
        if kind == "block" and node.parent.type == "function_item":
            return self.body(node)
        return self.children(node)

    def children(self, node, replaced={}):
        parts, at = [], node.start_byte
        for child in node.children:
            parts += self.source(at, child.start_byte)
            parts += replaced[child.id] if child.id in replaced else self.emit(child)
            at = child.end_byte
        return parts + self.source(at, node.end_byte)

    def choice(self, mutants, original):
        """`(if on(1) { … } else if on(2) { … } else { … })`, of pairs of an id and a text."""
        parts = [(b"(", 0)]
        for mutant, text in mutants:
            parts.append((b"if %s { %s } else " % (on(mutant), text), mutant))
        return [*parts, (b"{ ", 0), *original, (b" })", 0)]

    def binary(self, node):
        operator = node.child_by_field_name("operator")
        mutants = self.take("BinaryOperator", operator)
        if not mutants:
            return self.children(node)
        before, after = self.text[node.start_byte : operator.start_byte], self.text[operator.end_byte : node.end_byte]
        texts = [(mutant["id"], before + mutant["replacement"].encode() + after) for mutant in mutants]
        return self.choice(texts, self.children(node))

    def unary(self, node):
        operand = node.children[-1]
        mutants = self.take("UnaryOperator", node.children[0])
        if not mutants:
            return self.children(node)
        text = self.text[operand.start_byte : operand.end_byte]
        return self.choice([(mutant["id"], text) for mutant in mutants], self.children(node))

    def field(self, node):
        """A field without which that of the base, `..base`, is taken."""
        base = next((child for child in node.parent.children if child.type == "base_field_initializer"), None)
        mutants = self.take("StructField", node) if base else []
        if not mutants:
            return self.children(node)
        # `name` stands for `name: name`.
        name = node.child_by_field_name("field") or node.named_children[0]
        value = node.child_by_field_name("value") or name
        before = self.text[node.start_byte : name.end_byte] + b": "
        text = b"(%s).%s" % (self.text[base.start_byte + 2 : base.end_byte], self.text[name.start_byte : name.end_byte])
        return [(before, 0), *self.choice([(mutants[0]["id"], text)], self.emit(value))]

    def match_arm(self, node):
        """A deleted arm is one whose guard is false."""
        pattern = node.child_by_field_name("pattern")
        guard = pattern.child_by_field_name("condition")
        guards = self.take("MatchArmGuard", guard) if guard else []
        always = [mutant["id"] for mutant in guards if mutant["replacement"] == "true"]
        never = [mutant["id"] for mutant in guards if mutant["replacement"] == "false"]
        # Without the arm, the patterns would not be exhaustive. It is not, with a guard.
        if any(self.text[arm.start_byte : arm.end_byte].startswith(b"_ =>") for arm in node.parent.named_children):
            never += [mutant["id"] for mutant in self.take("MatchArm", node)]
        if not always and not never:
            return self.children(node)
        condition = [(b"(", 0), *[(on(mutant) + b" || ", mutant) for mutant in always]]
        condition += [(b"!" + on(mutant) + b" && ", mutant) for mutant in never]
        condition += [(b"(", 0), *(self.emit(guard) if guard else [(b"true", 0)]), (b"))", 0)]
        if guard:
            parts = self.source(pattern.start_byte, guard.start_byte) + condition
        else:
            parts = [*self.emit(pattern), (b" if ", 0), *condition]
        return self.children(node, {pattern.id: parts})

    def body(self, node):
        # The first statement, or the documentation of the first item.
        mutants = next(filter(None, (self.take("FnValue", child) for child in node.named_children)), [])
        original = self.children(node)
        if not mutants:
            return original
        values = [(mutant["id"], mutant["replacement"].encode()) for mutant in mutants]
        if "impl " in mutants[0]["function"]["return_type"]:
            for mutant, value in reversed(values):
                either = b"{ if %s { crate::mutant::Either::Mutant(%s) } else { crate::mutant::Either::Original("
                original = [(either % (on(mutant), value), mutant), *original, (b") } }", mutant)]
            return original
        returns = [(b"if %s { return %s; } " % (on(mutant), value), mutant) for mutant, value in values]
        return [(b"{ ", 0), *returns, *original, (b" }", 0)]


def on(mutant):
    return b"crate::mutant::on(%d)" % mutant
