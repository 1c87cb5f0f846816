/* The nearest word: by the names that other programs have for the same thing, then by edit distance, in which a swap of
 * two adjacent letters counts as one edit. */
#include "src/cli/suggest.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "src/base/minmax.h"

#define LONGEST  31 /* letters; longer words are not compared */
#define BEGINS   1  /* the distance if the candidate begins with the word */
#define FEWEST   3  /* letters that such a word has */
#define ANY_WORD 64 /* more than any distance */

/* A flag or command of Thaw, and what torchvision, timm, fastai, transformers, Ultralytics and Keras call it; without
 * dashes and underscores, between spaces. */
static const struct {
	const char *word, *synonyms;
} others[] = {
	{"model",
	 " weights arch architecture network net backbone pretrained checkpoint ckpt modelname modelnameorpath "
	 "initialcheckpoint run "},
	{"data", " dataset datadir datapath dataroot root images imgdir imagefolder traindir traindata input folder "},
	{"manifest", " csv csvfile annotations annotationfile labelsfile labelfile metadata dataframe df traincsv "},
	{"label-column", " label labels labelcol target targetcolumn classcolumn ycol "},
	{"path-column", " filenamecolumn imagecolumn imagecol filecolumn xcol fncol "},
	{"group-column", " groups group patientcolumn "},
	{"split-column", " splitcol "},
	{"weight-column", " sampleweights sampleweight weightcol "},
	{"label-separator", " labeldelim delim labeldelimiter "},
	{"folds", " kfold kfolds nfolds nsplits cv numfolds "},
	{"out",
	 " output outputdir outdir outputpath savedir savepath save logdir logs project rundir run result results "},
	{"unfreeze", " freeze frozen finetune trainable layers freezelayers unfrozen "},
	{"epochs", " epoch numepochs nepochs numtrainepochs maxepochs nepoch iterations "},
	{"head-epochs", " freezeepochs warmupheadepochs probeepochs linearepochs "},
	{"batch", " batchsize bs minibatch perdevicetrainbatchsize b "},
	{"lr", " learningrate baselr initlr lr0 maxlr peaklr alpha eta "},
	{"head-lr", " classifierlr fclr lrhead headlearningrate "},
	{"weight-decay", " wd decay l2 "},
	{"optimizer", " opt optim solver algorithm "},
	{"momentum", " mom beta "},
	{"layer-decay", " layerlrdecay llrd lrlayerdecay "},
	{"warmup", " warmupepochs warmupsteps warmupratio lrwarmupepochs warmupproportion "},
	{"label-smoothing", " smoothing ls labelsmoothingfactor "},
	{"dropout", " drop droprate dropoutrate "},
	{"size", " imagesize imgsize imgsz inputsize resolution cropsize traincropsize valcropsize resize resizesize "},
	{"mean", " imagemean normmean normalizemean pixelmean mu "},
	{"std", " imagestd stddev standarddeviation normstd normalizestd pixelstd sigma "},
	{"crop", " croppct croppercent centercrop centrecrop cropratio cropfraction cropmode "},
	{"interpolation", " resample interp resizemode resizemethod filter resizefilter "},
	{"test-share",
	 " valsplit testsplit valratio testratio valshare validationsplit holdout testsize valsize split "},
	{"per-class", " shots nshot fewshot samplesperclass imagesperclass limit maxsamples "},
	{"flip", " hflip fliplr horizontalflip "},
	{"jitter", " colorjitter colourjitter "},
	{"scale-min", " randomresizedcrop scale cropscale "},
	{"pad-crop", " randomcrop padding "},
	{"decode-threads", " workers numworkers j jobs dataloadernumworkers loaderthreads "},
	{"threads", " numthreads nthreads cores cpus ompnumthreads blasthreads "},
	{"seed", " randomseed manualseed randomstate rng "},
	{"keep", " savetotallimit keeplast maxkeep checkpointhist "},
	{"checkpoint-every",
	 " savesteps saveevery checkpointinterval saveinterval saveperiod checkpointfreq savefreq "},
	{"eval-every", " evalsteps evalinterval valinterval valfreq evalfreq validateevery "},
	{"resume", " continue restart overwrite "},
	{"config", " cfg configfile yaml "},
	{"top", " topk k "},
	{"onnx", " output out outputfile format file "},
	{"half", " fp16 f16 float16 "},
	{"train", " fit finetune tune learn training run start resume continue "},
	{"eval", " evaluate validate val valid test score measure accuracy "},
	{"predict", " classify infer inference label apply detect "},
	{"inspect", " info show summary describe list ls print layers blocks "},
	{"compare", " rank ranking select choose models leaderboard "},
	{"export", " convert save write toonnx onnx safetensors "},
	{"bench", " benchmark speed time timing profile perf "},
	{"doctor", " check diagnose env environment system version diag "},
	{"advise", " advice recommend suggest plan search autotune "},
};

/* The letters and digits of the text in lower case. False: too many. */
static bool letters(const char *text, char *to)
{
	size_t n = 0;
	for (; *text; text++) {
		if (!isalnum((unsigned char)*text))
			continue;
		if (n == LONGEST)
			return false;
		to[n++] = (char)tolower((unsigned char)*text);
	}
	to[n] = '\0';
	return n > 0;
}

/* Optimal string alignment: insertions, deletions, replacements and swaps of adjacent letters. */
static size_t edit_distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
	size_t d[LONGEST + 1][LONGEST + 1];
	for (size_t i = 0; i <= a_length; i++) {
		for (size_t j = 0; j <= b_length; j++) {
			if (i == 0 || j == 0) {
				d[i][j] = i + j;
				continue;
			}
			size_t cost = a[i - 1] != b[j - 1];
			d[i][j] = min_size(min_size(d[i - 1][j], d[i][j - 1]) + 1, d[i - 1][j - 1] + cost);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				d[i][j] = min_size(d[i][j], d[i - 2][j - 2] + 1);
		}
	}
	return d[a_length][b_length];
}

static bool is_synonym(const char *word, const char *candidate)
{
	char spaced[LONGEST + 3];
	snprintf(spaced, sizeof(spaced), " %s ", word);
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		if (strcmp(others[i].word, candidate) == 0 && strstr(others[i].synonyms, spaced))
			return true;
	return false;
}

static size_t distance(const char *word, const char *candidate)
{
	char a[LONGEST + 1], b[LONGEST + 1];
	if (!letters(word, a) || !letters(candidate, b))
		return ANY_WORD;
	size_t m = strlen(a), n = strlen(b);
	if (is_synonym(a, candidate))
		return 0;
	if (m >= FEWEST && strncmp(a, b, m) == 0)
		return min_size(BEGINS, n - m);
	size_t d = edit_distance(a, m, b, n);
	return d <= (max_size(m, n) + 2) / 3 ? d : ANY_WORD;
}

void suggest(struct suggestion *s, const char *word, const char *candidate)
{
	size_t d = distance(word, candidate);
	if (d < ANY_WORD && (!s->word || d < s->distance))
		*s = (struct suggestion){candidate, d};
}

/* "last:3" for last3, last-3, last 3, LAST=3 and 3. */
static bool last_blocks(const char *value, char *text, size_t size)
{
	const char *digits = value + (strncasecmp(value, "last", 4) == 0 ? 4 : 0);
	digits += strspn(digits, " -_=,.");
	size_t n = strspn(digits, "0123456789");
	if (n == 0 || digits[n])
		return false;
	snprintf(text, size, "last:%s", digits);
	return true;
}

/* What other programs call the parts of a network. */
static const char *part(const char *value)
{
	static const char *const parts[][2] = {
		{"head", " classifier fc linear top lastlayer last probe linearprobe feature features "},
		{"all", " full everything whole network true entire finetune backbone "},
	};
	char word[LONGEST + 1], spaced[LONGEST + 3];
	if (!letters(value, word))
		return NULL;
	snprintf(spaced, sizeof(spaced), " %s ", word);
	for (int i = 0; i < 2; i++)
		if (strstr(parts[i][1], spaced) ||
		    edit_distance(word, strlen(word), parts[i][0], strlen(parts[i][0])) <= 1)
			return parts[i][0];
	return NULL;
}

thaw_status suggest_unfreeze(const char *value, const char *place)
{
	char text[LONGEST + 1];
	if (strcmp(value, "head") == 0 || strcmp(value, "all") == 0 || strcmp(value, "none") == 0 ||
	    strncmp(value, "last:", 5) == 0 || strncmp(value, "from:", 5) == 0)
		return THAW_OK;
	const char *near = last_blocks(value, text, sizeof(text)) ? text : part(value);
	if (near)
		return thaw_fail(THAW_USAGE, "not understood: %s: did you mean %s?", place, near);
	return thaw_fail(THAW_USAGE,
			 "not understood: %s: give head, last:N, from:BLOCK or all; thaw inspect M lists the blocks",
			 place);
}
