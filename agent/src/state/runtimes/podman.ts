import type { ContainerFacts } from '../container.ts';
import { elements, member, present, readJson, text, texts } from './json-value.ts';

/** Name and image as Podman and CRI-O keep them beside their bundles. */
export async function readStorage(
  storageRoot: string,
  id: string,
): Promise<ContainerFacts | undefined> {
  const list = await readJson(`${storageRoot}/overlay-containers/containers.json`);
  const entry = elements(list).find((one) => member(one, 'id') === id);
  if (entry === undefined) return undefined;
  const metadata = parse(member(entry, 'metadata'));
  return present<ContainerFacts>({
    name: text(member(metadata, 'name')) ?? texts(member(entry, 'names'))[0],
    image: text(member(metadata, 'image-name')),
    imageId: text(member(entry, 'image'))?.slice(0, 12),
  });
}

function parse(json: unknown): unknown {
  if (typeof json !== 'string') return undefined;
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
