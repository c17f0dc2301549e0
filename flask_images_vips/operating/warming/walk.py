"""Follow templates as rendering them would: macros, includes, imports, inheritance, loops and conditions.

Where a condition is not known, all branches are followed. A loop over something unknown is followed once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from jinja2 import nodes

from .expressions import Evaluator, Picks, possibilities
from .frames import BlockAt, Call, Frame, Macro, Module
from .scope import Choice, NotKnown, Scope, Unknown, bind, either, truth
from .templates import Template, Templates

_DEEPEST = 12  # includes and macros within each other
_MOST_STEPS = 500_000  # statements that are followed

Step = Callable[[Any, Frame, Scope], None]


class Walk:
    """Follows *templates*, and passes each call of one of *functions* to *found*. They are globals, by name."""

    def __init__(self, templates: Templates, functions: Mapping[str, object], found: Callable[[Call], object]) -> None:
        self.templates = templates
        self.functions = functions
        self._found = found
        self._depth = self._steps = 0
        self.too_deep: list[Template] = []
        filters = templates.environment.filters
        known = {id(function) for function in functions.values()}
        self._filters = {name: function for name, function in filters.items() if id(function) in known}
        self._by_kind: dict[type[nodes.Node], Step] = {
            nodes.Assign: self._assign,
            nodes.AssignBlock: self._assign_block,
            nodes.Block: self._block,
            nodes.CallBlock: self._call_block,
            nodes.Extends: lambda node, frame, scope: None,
            nodes.FilterBlock: self._inner,
            nodes.For: self._for,
            nodes.FromImport: self._from_import,
            nodes.If: self._if,
            nodes.Import: self._import,
            nodes.Include: self._include,
            nodes.Macro: self._macro,
            nodes.Scope: self._inner,
            nodes.ScopedEvalContextModifier: self._inner,
            nodes.With: self._with,
        }

    @property
    def is_over(self) -> bool:
        """Whether the templates were too much to follow, so that some calls may be missing."""
        return self._steps >= _MOST_STEPS

    def stop(self) -> None:
        """Follow no more statements."""
        self._steps = _MOST_STEPS

    def follow(self, template: Template) -> None:
        """Follow *template* as a page of its own. If its parts lead too deep, it becomes one of `too_deep`."""
        self._depth = 0
        try:
            self.render(template, Scope())
        except RecursionError:
            self.too_deep.append(template)

    def render(self, template: Template, scope: Scope, blocks: Mapping[str, tuple[BlockAt, ...]] | None = None) -> None:
        """Follow *template* with the names in *scope*. *blocks* are those of the templates that extend it."""
        if self._depth >= _DEEPEST:
            return
        merged = dict(blocks or {})
        for block in template.tree.find_all(nodes.Block):
            merged[block.name] = (*merged.get(block.name, ()), (template, block))
        frame = Frame(template, merged, scope)
        extends = any(isinstance(node, nodes.Extends) for node in template.tree.body)
        self._depth += 1
        for node in template.tree.body:
            if not (extends and isinstance(node, (nodes.Output, nodes.Block))):  # these are not shown
                self._statement(node, frame, scope)
        for node in template.tree.find_all(nodes.Extends):
            for parent in self._named(node.template, frame, scope):
                self.render(parent, scope, merged)
        self._depth -= 1

    def rest(self, template: Template) -> Iterator[Call]:
        """Yield the calls in *template* as if it had set no names. For calls that following it has not found."""
        frame = Frame(template, {}, Scope())
        for node in template.tree.find_all((nodes.Call, nodes.Filter)):
            if isinstance(node, nodes.Filter):
                if node.name in self._filters:
                    yield Call(self._filters[node.name], node, frame, frame.top)
            elif (
                isinstance(node, nodes.Call) and isinstance(node.node, nodes.Name) and node.node.name in self.functions
            ):
                yield Call(self.functions[node.node.name], node, frame, frame.top)

    def evaluator(self, frame: Frame, scope: Scope, picks: Picks) -> Evaluator:
        return Evaluator(self.templates.environment, frame.template.name, scope, self.functions, picks)

    def _body(self, body: Sequence[nodes.Node], frame: Frame, scope: Scope) -> None:
        for node in body:
            self._statement(node, frame, scope)

    def _statement(self, node: nodes.Node, frame: Frame, scope: Scope) -> None:
        self._steps += 1
        if self.is_over:
            return
        self._by_kind.get(type(node), self._other)(node, frame, scope)

    def _other(self, node: nodes.Node, frame: Frame, scope: Scope) -> None:
        for child in node.iter_child_nodes():
            if isinstance(child, nodes.Stmt):
                self._statement(child, frame, scope)
            else:
                self._expression(child, frame, scope)

    def _inner(self, node: nodes.Node, frame: Frame, scope: Scope) -> None:
        self._other(node, frame, scope.child())

    def _expression(self, node: nodes.Node, frame: Frame, scope: Scope) -> None:
        """Find the calls in an expression."""
        for each in (node, *node.find_all((nodes.Call, nodes.Filter))):
            if isinstance(each, nodes.Filter) and each.name in self._filters:
                self._found(Call(self._filters[each.name], each, frame, scope))
            elif isinstance(each, nodes.Call):
                self._call(each, frame, scope)

    def _call(self, node: nodes.Call, frame: Frame, scope: Scope, caller: Macro | None = None) -> bool:
        """Follow a call. Returns whether it is known what is called."""
        if isinstance(node.node, nodes.Name) and node.node.name == "super" and frame.above:
            self._run_block(frame.above, frame, scope)
            return True
        known = False
        for function in self._values(node.node, frame, scope):
            if isinstance(function, Macro):
                self._enter(function, node, frame, scope, caller)
            elif any(function is each for each in self.functions.values()):
                self._found(Call(function, node, frame, scope))
            else:
                continue
            known = True
        return known

    def _enter(self, macro: Macro, call: nodes.Call, frame: Frame, scope: Scope, caller: Macro | None) -> None:
        """Follow the body of *macro* for each combination of possible arguments."""
        if self._depth >= _DEEPEST:
            return
        via = (*frame.via, f"{frame.template.file}:{call.lineno}")
        inner_frame = replace(macro.frame, via=via)
        self._depth += 1
        for given in possibilities(lambda picks: self.evaluator(frame, scope, picks).given(call)):
            inner = macro.scope.child()
            self._bind_arguments(macro, given, inner)
            if caller is not None:
                inner["caller"] = caller
            self._body(macro.node.body, inner_frame, inner)
        self._depth -= 1

    def _bind_arguments(self, macro: Macro, given: tuple[list[Any], dict[str, Any]] | NotKnown, scope: Scope) -> None:
        names = [each.name for each in macro.node.args]
        if isinstance(given, NotKnown):
            for name in (*names, "varargs", "kwargs"):
                scope[name] = Unknown(str(given))
            return
        arguments, keywords = given[0], dict(given[1])
        bound = dict(zip(names, arguments, strict=False))
        bound |= {name: keywords.pop(name) for name in names if name in keywords}
        scope["varargs"], scope["kwargs"] = tuple(arguments[len(names) :]), keywords
        defaults = dict(zip(reversed(names), reversed(macro.node.defaults), strict=False))
        for name in names:
            if name in bound:
                scope[name] = bound[name]
            elif name in defaults:
                scope[name] = self._only(defaults[name], macro.frame, scope)
            else:
                scope[name] = self.templates.environment.undefined(name=name)

    def _values(self, node: nodes.Node, frame: Frame, scope: Scope) -> list[object]:
        """Return the possible values of an expression. One that is not known is an `Unknown`."""
        found = list(possibilities(lambda picks: self.evaluator(frame, scope, picks).value(node)))
        return [Unknown(str(each)) if isinstance(each, NotKnown) else each for each in found]

    def _only(self, node: nodes.Node, frame: Frame, scope: Scope) -> object:
        """Return the value of an expression, an `Unknown` or a `Choice`."""
        return either(self._values(node, frame, scope))

    def _named(self, node: nodes.Node, frame: Frame, scope: Scope) -> list[Template]:
        """Return the templates that the expression *node* may name."""
        found = [self.templates.get(each) for each in self._values(node, frame, scope)]
        return list(dict.fromkeys(each for each in found if each is not None))

    def _assign(self, node: nodes.Assign, frame: Frame, scope: Scope) -> None:
        self._expression(node.node, frame, scope)
        bind(node.target, self._only(node.node, frame, scope), scope)

    def _assign_block(self, node: nodes.AssignBlock, frame: Frame, scope: Scope) -> None:
        self._body(node.body, frame, scope.child())
        written: object = Unknown("it is set by a block")
        if node.filter is None and all(isinstance(each, nodes.Output) for each in node.body):
            parts = [part for each in node.body for part in each.iter_child_nodes()]
            written = self._only(nodes.Concat(parts), frame, scope)
        bind(node.target, written, scope)

    def _with(self, node: nodes.With, frame: Frame, scope: Scope) -> None:
        inner = scope.child()
        for target, value in zip(node.targets, node.values, strict=True):
            self._expression(value, frame, scope)
            bind(target, self._only(value, frame, scope), inner)
        self._body(node.body, frame, inner)

    def _if(self, node: nodes.If, frame: Frame, scope: Scope) -> None:
        branches: list[Scope] = []
        for test, body in ((node.test, node.body), *((each.test, each.body) for each in node.elif_)):
            self._expression(test, frame, scope)
            holds = truth(self._values(test, frame, scope))
            if holds is False:
                continue
            branches.append(scope.child())
            self._body(body, frame, branches[-1])
            if holds:
                break
        else:
            branches.append(scope.child())
            self._body(node.else_, frame, branches[-1])
        undefined = self.templates.environment.undefined
        for name in dict.fromkeys(name for branch in branches for name in branch.own):
            before = scope[name] if name in scope else undefined(name=name)
            scope[name] = either([branch.own.get(name, before) for branch in branches])

    def _for(self, node: nodes.For, frame: Frame, scope: Scope) -> None:
        self._expression(node.iter, frame, scope)
        for value in self._values(node.iter, frame, scope):
            items = _items(value)
            if isinstance(items, Unknown):
                names = [
                    each.name
                    for each in (node.target, *node.target.find_all(nodes.Name))
                    if isinstance(each, nodes.Name)
                ]
                reason = f"{' and '.join(names)} is in a loop, and {items.reason}"
                self._pass(node, Unknown(reason), items, frame, scope)
                continue
            for index, item in enumerate(items):
                if self.is_over:
                    return
                loop = {"index": index + 1, "index0": index, "first": not index, "last": index + 1 == len(items)}
                self._pass(node, item, loop | {"length": len(items)}, frame, scope)
        self._body(node.else_, frame, scope.child())

    def _pass(self, node: nodes.For, item: object, loop: object, frame: Frame, scope: Scope) -> None:
        inner = scope.child()
        bind(node.target, item, inner)
        inner["loop"] = loop
        if node.test is not None:
            self._expression(node.test, frame, inner)
            if truth(self._values(node.test, frame, inner)) is False:
                return
        self._body(node.body, frame, inner)

    def _block(self, node: nodes.Block, frame: Frame, scope: Scope) -> None:
        self._run_block(frame.blocks.get(node.name, ((frame.template, node),)), frame, scope)

    def _run_block(self, chain: tuple[BlockAt, ...], frame: Frame, scope: Scope) -> None:
        template, block = chain[0]
        outer = scope if block.scoped or frame.above else frame.top
        self._body(block.body, replace(frame, template=template, above=chain[1:]), outer.child())

    def _include(self, node: nodes.Include, frame: Frame, scope: Scope) -> None:
        for template in self._named(node.template, frame, scope):
            self.render(template, scope.child() if node.with_context else Scope())

    def _module(self, node: nodes.Import | nodes.FromImport, frame: Frame, scope: Scope) -> object:
        """Return the module that is imported. What its template shows is not shown."""
        found = []
        for template in self._named(node.template, frame, scope):
            names = scope.child() if node.with_context else Scope()
            inner = Frame(template, {}, names)
            shown = (nodes.Output, nodes.Block, nodes.Extends)
            self._body([each for each in template.tree.body if not isinstance(each, shown)], inner, names)
            found.append(Module(names))
        return either(found) if found else Unknown("it is not known which template is imported")

    def _import(self, node: nodes.Import, frame: Frame, scope: Scope) -> None:
        scope[node.target] = self._module(node, frame, scope)

    def _from_import(self, node: nodes.FromImport, frame: Frame, scope: Scope) -> None:
        module = self._module(node, frame, scope)
        modules = module.values if isinstance(module, Choice) else (module,)
        for each in node.names:
            name, alias = (each, each) if isinstance(each, str) else each
            unknown = Unknown(f"it is not known where {name} is defined")
            found = [found.get(name, unknown) for found in modules if isinstance(found, Module)]
            scope[alias] = either(found or [unknown])

    def _macro(self, node: nodes.Macro, frame: Frame, scope: Scope) -> None:
        scope[node.name] = Macro(node, frame, scope)

    def _call_block(self, node: nodes.CallBlock, frame: Frame, scope: Scope) -> None:
        for argument in (*node.call.args, *(each.value for each in node.call.kwargs)):
            self._expression(argument, frame, scope)
        if not self._call(node.call, frame, scope, Macro(node, frame, scope)):  # a tag of an extension
            inner = scope.child()
            for each in node.args:
                inner[each.name] = Unknown("it is set by a tag of an extension")
            self._body(node.body, frame, inner)


def _items(value: object) -> list[object] | Unknown:
    """Return the elements of *value*, over which a loop runs."""
    if isinstance(value, Unknown):
        return value
    try:
        return list(value)  # type: ignore[call-overload, no-any-return]
    except Exception:
        return Unknown("it has no elements")
