/* Callbacks of a run.
 *
 * On a terminal one line is redrawn in place. In a log file a line is written once per minute, in addition to the
 * trainer's line per epoch. */
#include "src/cli/progress.h"

#include <math.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "src/base/clock.h"
#include "src/base/text.h"
#include "src/cli/display_text.h"

#define BAR_SECONDS      0.1  /* between two redraws */
#define LINE_SECONDS     60   /* between two lines in a log */
#define BAR_WIDTH        24   /* columns */
#define DEFAULT_WIDTH    80   /* columns, if the terminal does not report its width */
#define LARGEST_LINE     256  /* bytes */
#define LARGEST_LOG_LINE 1280 /* bytes; a message has at most 1024 */
#define CLEAR_LINE       "\r\033[K"

/* "train 3/10  step 120/400  loss 0.4321  accuracy 87.5 %  812.4 images/s  0:32 left"; numbers have no accuracy */
static const char *state_text(const struct thaw_train_progress *s, char *line, size_t size)
{
	char left[32], accuracy[32] = "";
	text_duration(s->seconds_left, left, sizeof(left));
	if (!isnan(s->accuracy))
		snprintf(accuracy, sizeof(accuracy), "  accuracy %.1f %%", 100 * s->accuracy);
	snprintf(line, size, "%s %d/%d  step %lld/%lld  loss %.4f%s  %.1f images/s  %s left", s->phase, s->epoch,
		 s->epochs, (long long)s->step, (long long)s->steps, s->loss, accuracy, s->images_per_second, left);
	return line;
}

static int terminal_width(FILE *out)
{
	struct winsize w;
	return ioctl(fileno(out), TIOCGWINSZ, &w) == 0 && w.ws_col > 0 ? w.ws_col : DEFAULT_WIDTH;
}

/* Draws the bar only if the numbers fit beside it, since a wrapped line could not be redrawn in place. */
static void draw_bar(struct progress *p, const struct thaw_train_progress *s)
{
	char line[LARGEST_LINE], bar[BAR_WIDTH + 1];
	state_text(s, line, sizeof(line));
	int width = terminal_width(p->out) - 1, text = (int)strlen(line);
	int full = s->steps > 0 ? (int)(BAR_WIDTH * s->step / s->steps) : 0;
	for (int i = 0; i < BAR_WIDTH; i++)
		bar[i] = i < full ? '#' : '.';
	bar[BAR_WIDTH] = '\0';
	if (text + BAR_WIDTH + 3 <= width)
		fprintf(p->out, CLEAR_LINE "[%s] %s", bar, line);
	else
		fprintf(p->out, CLEAR_LINE "%.*s", width, line);
	fflush(p->out);
	p->bar_shown = true;
}

static void clear_bar(struct progress *p)
{
	if (p->bar_shown)
		fputs(CLEAR_LINE, p->out);
	p->bar_shown = false;
}

static void show(void *context, const struct thaw_train_progress *s)
{
	struct progress *p = context;
	char line[LARGEST_LINE];
	if (thaw_clock() - p->shown < (p->terminal ? BAR_SECONDS : LINE_SECONDS))
		return;
	p->shown = thaw_clock();
	if (p->terminal)
		draw_bar(p, s);
	else
		fprintf(p->out, "%s\n", state_text(s, line, sizeof(line)));
}

static void write_line(void *context, const char *line)
{
	struct progress *p = context;
	char clean[LARGEST_LOG_LINE];
	snprintf(clean, sizeof(clean), "%s", line);
	thaw_text_clean(clean, "");
	clear_bar(p);
	fprintf(p->out, "%s\n", clean);
}

struct thaw_callbacks progress_start(struct progress *p, FILE *out)
{
	*p = (struct progress){.out = out, .terminal = out && isatty(fileno(out)), .shown = thaw_clock()};
	if (!out)
		return (struct thaw_callbacks){.context = p};
	return (struct thaw_callbacks){.context = p, .progress = show, .log = write_line};
}

void progress_end(struct progress *p)
{
	if (p->out)
		clear_bar(p);
}
