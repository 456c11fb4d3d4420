import fc from 'fast-check';
import type {
  ConditionNode,
  FieldNode,
  LeftNode,
  Modifier,
  Operator,
  RightNode,
} from '../../src/rules/language/ast.ts';

/** Few words, so that random conditions and random events meet often. */
const WORDS = ['a', 'ab', 'b', '/etc', '/etc/x', 'a b', '', '<NA>', 'x=y', "it's", '\\', '"', '1'];
const NUMBERS = ['0', '1', '-1', '443', '9007199254740993'];
const ADDRESSES = ['10.0.0.1', '127.0.0.1', '2001:db8::1'];
const NETWORKS = ['10.0.0.0/8', '127.0.0.1/32', '2001:db8::/32'];
const TYPES = ['open', 'openat', 'execve', 'connect'];

export const TEXT_FIELDS = ['proc.name', 'fd.name', 'proc.exe', 'evt.arg.flags', 'proc.aname'];
export const NUMBER_FIELDS = ['evt.rawres', 'fd.num', 'fd.sport', 'fd.port', 'proc.aname[2]'];

const word = fc.constantFrom(...WORDS);
const words = fc.array(word, { maxLength: 4 });
const offset = 0;

function field(name: string): FieldNode {
  const bracket = /^(.*)\[(.*)\]$/.exec(name);
  return bracket
    ? { kind: 'field', name: bracket[1] ?? '', argument: bracket[2] ?? '', offset }
    : { kind: 'field', name, offset };
}

function compare(
  left: LeftNode,
  operator: Operator,
  right: RightNode,
  modifier?: Modifier,
): ConditionNode {
  return { kind: 'compare', left, operator, right, offset, ...(modifier && { modifier }) };
}

const list = (items: fc.Arbitrary<string[]>): fc.Arbitrary<RightNode> =>
  items.map((values): RightNode => ({ kind: 'list', items: values, offset }));
const value = (text: fc.Arbitrary<string>): fc.Arbitrary<RightNode> =>
  text.map((chosen): RightNode => ({ kind: 'value', text: chosen, offset }));

const textField = fc.constantFrom(...TEXT_FIELDS).map(field);
const plainTextField = fc.constantFrom('proc.name', 'fd.name', 'proc.exe').map(field);
const textLeft: fc.Arbitrary<LeftNode> = fc.oneof(
  { weight: 4, arbitrary: textField },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.constantFrom('tolower', 'toupper', 'basename'), plainTextField)
      .map(
        ([name, operand]): LeftNode => ({ kind: 'transformer', name, operands: [operand], offset }),
      ),
  },
);
const textOperator = fc.constantFrom<Operator>(
  '=',
  '!=',
  'contains',
  'icontains',
  'startswith',
  'endswith',
  'glob',
  'iglob',
);

const textChecks = fc.oneof(
  fc.tuple(textLeft, textOperator, value(word)).map(([l, o, r]) => compare(l, o, r)),
  fc
    .tuple(
      textLeft,
      textOperator,
      list(words),
      fc.constantFrom<Modifier>('oneof', 'anyof', 'allof'),
    )
    .map(([l, o, r, m]) => compare(l, o, r, m)),
  fc
    .tuple(textLeft, fc.constantFrom<Operator>('in', 'intersects', 'pmatch'), list(words))
    .map(([l, o, r]) => compare(l, o, r)),
  fc
    .tuple(plainTextField, fc.constantFrom<Operator>('=', '!=', 'startswith'), plainTextField)
    .map(([l, o, other]) => compare(l, o, { kind: 'val', field: other, offset })),
);

const numberChecks = fc.oneof(
  fc
    .tuple(
      fc.constantFrom('evt.rawres', 'fd.num').map(field),
      fc.constantFrom<Operator>('=', '!=', '<', '<=', '>', '>='),
      value(fc.constantFrom(...NUMBERS)),
    )
    .map(([l, o, r]) => compare(l, o, r)),
  fc
    .tuple(
      fc.constantFrom('fd.sport', 'fd.port').map(field),
      fc.constantFrom<Operator>('=', '!=', '<', '>='),
      value(fc.constantFrom('0', '1', '443', 'https')),
    )
    .filter(([, o, r]) => o === '=' || o === '!=' || (r.kind === 'value' && r.text !== 'https'))
    .map(([l, o, r]) => compare(l, o, r)),
);

const otherChecks = fc.oneof(
  fc
    .tuple(fc.constantFrom<Operator>('=', '!='), value(fc.constantFrom('true', 'false')))
    .map(([o, r]) => compare(field('evt.is_open_read'), o, r)),
  fc
    .tuple(
      fc.constantFrom('fd.sip', 'fd.ip').map(field),
      fc.constantFrom<Operator>('=', '!='),
      value(fc.constantFrom(...ADDRESSES)),
    )
    .map(([l, o, r]) => compare(l, o, r)),
  fc
    .tuple(
      fc.constantFrom('fd.snet', 'fd.net').map(field),
      fc.constantFrom<Operator>('in', '!='),
      list(fc.array(fc.constantFrom(...NETWORKS), { minLength: 1, maxLength: 2 })),
    )
    .map(([l, o, r]) => (o === '!=' ? compare(l, o, firstOf(r)) : compare(l, o, r))),
  fc
    .tuple(
      fc.constantFrom<Operator>('in', 'intersects'),
      list(fc.array(fc.constantFrom('file', 'ipv4'), { maxLength: 2 })),
    )
    .map(([o, r]) => compare(field('fd.types'), o, r)),
  fc
    .tuple(fc.constantFrom<Operator>('=', '!='), value(fc.constantFrom(...TYPES)))
    .map(([o, r]) => compare(field('evt.type'), o, r)),
  list(fc.array(fc.constantFrom(...TYPES), { maxLength: 3 })).map((r) =>
    compare(field('evt.type'), 'in', r),
  ),
  fc
    .constantFrom(...TEXT_FIELDS, ...NUMBER_FIELDS, 'fd.types', 'fd.ip')
    .map((name): ConditionNode => ({ kind: 'exists', left: field(name), offset })),
  fc.constant(compare(field('evt.num'), '=', { kind: 'value', text: '0', offset })),
);

function firstOf(right: RightNode): RightNode {
  return right.kind === 'list' ? { kind: 'value', text: right.items[0] ?? '', offset } : right;
}

/** Any well-typed condition without macros. */
export const condition: fc.Arbitrary<ConditionNode> = fc.letrec<{ node: ConditionNode }>((tie) => {
  const children = fc.array(tie('node'), { minLength: 2, maxLength: 4 });
  return {
    node: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      textChecks,
      numberChecks,
      otherChecks,
      children.map((nodes): ConditionNode => ({ kind: 'and', children: nodes, offset })),
      children.map((nodes): ConditionNode => ({ kind: 'or', children: nodes, offset })),
      tie('node').map((child): ConditionNode => ({ kind: 'not', child, offset })),
    ),
  };
}).node;

const maybe = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined, freq: 3 });
const address = fc.constantFrom(...ADDRESSES);
const port = fc.constantFrom(0, 1, 443);

/** An event in which any field may be missing, but for its type and number. */
export const event: fc.Arbitrary<ReadonlyMap<string, unknown>> = fc
  .record({
    'evt.num': fc.constantFrom(1, 5),
    'evt.type': fc.constantFrom(...TYPES, 'close', 'not_a_known_type'),
    'evt.rawres': maybe(fc.constantFrom(0, 1, -1, '9007199254740993')),
    'evt.is_open_read': maybe(fc.boolean()),
    'evt.arg.flags': maybe(word),
    'proc.name': maybe(word),
    'proc.exe': maybe(word),
    'proc.aname': maybe(words),
    'proc.aname[2]': maybe(word),
    'fd.name': maybe(word),
    'fd.num': maybe(fc.constantFrom(-1, 0, 1)),
    'fd.types': maybe(fc.array(fc.constantFrom('file', 'ipv4', 'pipe'), { maxLength: 3 })),
    'fd.sip': maybe(address),
    'fd.snet': maybe(address),
    'fd.ip': maybe(fc.array(address, { maxLength: 2 })),
    'fd.net': maybe(fc.array(address, { maxLength: 2 })),
    'fd.port': maybe(fc.array(port, { maxLength: 2 })),
    'fd.sport': maybe(port),
  })
  .map((fields) => new Map(Object.entries(fields).filter(([, member]) => member !== undefined)));
