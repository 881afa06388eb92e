/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operators of expressions.
 * OP(name, what its operand must be, what it gives)
 * Operand: TEXT a string; ANY an expression; LIST a list of expressions;
 * a digit n: a list of exactly n expressions; SEND, COMMAND, RAW: see
 * expr.c. New rows go anywhere.
 */
OP(state, TEXT, "a place in the node's input, by a dotted path")
OP(var, TEXT, "a place in the variables")
OP(item, TEXT, "a place in the element that $map is at")
OP(add, LIST, "numbers summed, texts or lists joined")
OP(mul, LIST, "the product of numbers")
OP(concat, LIST, "texts joined; everything else as JSON")
OP(lt, PAIR, "whether the first is smaller")
OP(eq, PAIR, "whether both are equal")
OP(if, TRIPLE, "the second if the first is true, else the third")
OP(len, ANY, "elements of a list, characters of a text")
OP(map, PAIR, "the second for each $item of the first")
OP(last, ANY, "the last element of a list")
OP(last_has_tool_calls, ANY, "whether the last message calls tools")
OP(send, SEND, "{node, arg}: run that node with that argument")
OP(command, COMMAND, "{update, goto, resume, graph}")
OP(msg, ANY, "a message from its fields")
OP(lit, RAW, "the operand as it stands")
OP(overwrite, ANY, "replaces instead of reducing")
OP(calls, TEXT, "how often the body of that node has begun")
