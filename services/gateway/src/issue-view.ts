/** An issue as the API shows it: its row. */
import { rowSchema } from "@reveille/shared/postgres/row-schema";
import { issues } from "@reveille/shared/postgres/schema";

export const issueSchema = rowSchema(issues);
