// Everything that pages gain by JavaScript. Each module finds what it is for by its attributes, and
// does nothing where that is not there.

import { followTimes } from "./time.js";
import { followLive, isPaused } from "./live.js";
import { listenForKeys } from "./keys.js";
import { switchTheme } from "./theme.js";
import { offerCopies } from "./copy.js";
import { followPictures } from "./pictures.js";
import { followRows } from "./rows.js";
import { offerBulk } from "./bulk.js";

switchTheme();
followTimes();
offerCopies();
followRows();
offerBulk();
listenForKeys();
followLive();
followPictures(isPaused);
