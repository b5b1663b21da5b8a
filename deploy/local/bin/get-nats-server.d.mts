export interface FoundNatsServer {
  /** Path of the program. */
  readonly bin: string;
  readonly version: string;
  readonly how: "env" | "path" | "cache" | "release" | "debian";
}
export function getNatsServer(options?: {
  min?: string;
  cacheDir?: string;
  only?: FoundNatsServer["how"];
  say?: (line: string) => void;
}): Promise<FoundNatsServer>;
