// Which texts are programs: their lines mean something, so they are shown as they are written.

const CODE_LINE = /[;{}]\s*$|^\s*(?:def|class|fn|func|function|import|from|return|const|let|var|if|for|while|public|private|static|#include|package|use)\b.*[:;(){}=]|^\s*[\w.\]['"]+\s*(?:[-+*/|&]?=|:=|=>|<-)\s|\w\(.*\)\s*[:;,{]?\s*$|^\s*(?:\/\/|\/\*|@\w)/;
const INDENTED = /^(?: {2,}|\t)\S/;
const FEWEST = 2;
const SHARE = 0.5;

/** Whether a text reads like a program: of its lines, at least half look like code or are indented, and one looks like code. */
export function isCode(text) {
  const lines = text.split("\n").filter((line) => line.trim());
  if (lines.length < FEWEST) return false;
  const written = lines.filter((line) => CODE_LINE.test(line)).length;
  const indented = lines.filter((line) => INDENTED.test(line) && !CODE_LINE.test(line)).length;
  return written >= FEWEST && written + indented >= SHARE * lines.length;
}
