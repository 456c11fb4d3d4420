/** What readers of YAML 1.1 written in Go, such as Alertmanager's, see in a file, and one of YAML 1.2 does not. */
import { type Document, isMap, isScalar, visit } from 'yaml';

/** The values below these keys are texts as they stand: `1.50` is no number there, and nothing is an empty text. */
const TEXTS = /^(source_|target_)?match(_re)?$/;
/** Here `yes` and `no` are truth values. */
const TRUTH = /^(continue|send_resolved|(smtp_)?require_tls|checkcert|mutualtls|tls|enabled)$/;
const WORDS: Readonly<Record<string, boolean>> = {
  ...{ yes: true, on: true, y: true },
  ...{ no: false, off: false, n: false },
};

/** Changes those values in a document. */
export function readAsGoDoes(document: Document): void {
  visit(document, {
    Pair(_, { key, value }) {
      const name = isScalar(key) ? String(key.value) : '';
      if (TRUTH.test(name) && isScalar(value) && value.type === 'PLAIN')
        value.value = WORDS[String(value.value).toLowerCase()] ?? value.value;
      if (!TEXTS.test(name) || !isMap(value)) return;
      for (const { value: text } of value.items)
        if (isScalar(text) && typeof text.value !== 'string')
          text.value = text.value === null ? '' : (text.source ?? text.value);
    },
  });
}
