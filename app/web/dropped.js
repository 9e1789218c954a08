// Files that the reader chose or dropped, each with the name that it has from the folder on.

/** Files of a file input; those of a folder have its name in front. */
export const chosenFiles = (input) => [...input.files].map((file) => ({ file, name: file.webkitRelativePath || file.name })).filter(isSeen);

/** Whether a drag carries files. */
export const carriesFiles = ({ dataTransfer }) => [...(dataTransfer?.types ?? [])].includes("Files");

/** Files of a drop, those in folders included, in the order of their names. */
export async function droppedFiles({ dataTransfer }) {
  // Before the first await: a drop's items are gone once its event is over.
  const entries = [...dataTransfer.items].map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile()).filter(Boolean);
  const found = await Promise.all(entries.map((entry) => (entry instanceof File ? [{ file: entry, name: entry.name }] : filesIn(entry))));
  return found.flat().filter(isSeen);
}

async function filesIn(entry) {
  if (entry.isFile) return [{ file: await new Promise((resolve, reject) => entry.file(resolve, reject)), name: entry.fullPath.slice(1) }];
  const inside = (await childrenOf(entry)).sort((a, b) => (a.name < b.name ? -1 : 1));
  return (await Promise.all(inside.map(filesIn))).flat();
}

/** A browser gives a folder's entries a hundred at a time. */
async function childrenOf(folder) {
  const reader = folder.createReader();
  const all = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return all;
    all.push(...some);
  }
}

/** Hidden files are passed over within folders, as bearing index does. */
const isSeen = ({ name }) => !name.split("/").some((part, i) => part.startsWith(".") && (i > 0 || name.includes("/")));
