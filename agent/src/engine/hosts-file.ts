/** The addresses that the text of a hosts file gives a name, in its order. */
export function addressesIn(hostsFile: string, name: string): string[] {
  const wanted = name.toLowerCase();
  return hostsFile.split('\n').flatMap((line) => {
    const [address, ...names] = line.replace(/#.*/, '').trim().toLowerCase().split(/\s+/);
    return address !== undefined && names.includes(wanted) ? [address] : [];
  });
}
