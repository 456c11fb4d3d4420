import type { ContainerFacts } from '../container.ts';
import { elements, member, present, readJson, text, texts } from './json-value.ts';

const DRIVERS = ['overlay', 'vfs', 'btrfs', 'zfs'];
/** Podman keeps what ends with the container (`--rm`) in a list of its own. */
const LISTS = ['containers.json', 'volatile-containers.json'];

/** Where bundles and lists of containers lie below a root of storage, a folder a driver. */
export function storageFolders(root: string): string[] {
  return DRIVERS.map((driver) => `${root}/${driver}-containers`);
}

/** The folder of lists that a bundle lies in: storage of a user, or in another place, needs no configuration. */
export function storageOfBundle(bundle: string): string | undefined {
  const [, folder] = /^(\/.+\/[a-z]+-containers)\/[^/]+\/userdata$/.exec(bundle) ?? [];
  return folder;
}

/** Name and image as Podman and CRI-O keep them beside their bundles. */
export async function readStorage(folder: string, id: string): Promise<ContainerFacts | undefined> {
  for (const name of LISTS) {
    const list = await readJson(`${folder}/${name}`);
    const entry = elements(list).find((one) => member(one, 'id') === id);
    if (entry === undefined) continue;
    const metadata = parse(member(entry, 'metadata'));
    return present<ContainerFacts>({
      name: text(member(metadata, 'name')) ?? texts(member(entry, 'names'))[0],
      image: text(member(metadata, 'image-name')),
      imageId: text(member(metadata, 'image-id') ?? member(entry, 'image'))?.slice(0, 12),
    });
  }
  return undefined;
}

function parse(json: unknown): unknown {
  if (typeof json !== 'string') return undefined;
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
